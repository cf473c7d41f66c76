;;; ouroboros.el --- Talk with a model that learns what you correct  -*- lexical-binding: t; -*-

;; Author: RWKV-Ouroboros
;; Maintainer: RWKV-Ouroboros
;; Version: 0.1.0
;; Package-Requires: ((emacs "27.1"))
;; Keywords: convenience, tools, outlines
;; URL: https://github.com/neromous/RWKV-Ouroboros
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; RWKV-Ouroboros is a server that holds one language model, answers with it
;; and teaches it at once.  This package talks with it from org files:
;;
;;     * My cat
;;     ** USER What is my cat called?
;;
;; `M-x ouroboros-mode', then "C-c _ a" asks: the answer streams in as the
;; next heading.  Edit it, press "C-c C-c" in it, and the model has learned
;; what it should have said.  "C-c _ t" teaches a subtree, "C-c _ T" all that
;; are tagged :train:, "C-c _ l" lists what was taught, and "C-g" stops the
;; model.  "C-c _ ?" shows every command; README.md describes them.

;;; Code:

(require 'org)
(require 'seq)
(require 'ouroboros-chat)
(require 'ouroboros-http)
(require 'ouroboros-lessons)
(require 'ouroboros-org)
(require 'ouroboros-state)
(require 'ouroboros-status)
(require 'ouroboros-teach)

(defconst ouroboros-commands
  '(("Conversation"
     ("a" "Ask" ouroboros-ask)
     ("r" "Regenerate" ouroboros-regenerate)
     ("c" "Correct" ouroboros-correct)
     ("k" "Stop" ouroboros-stop))
    ("Teaching"
     ("t" "Teach" ouroboros-teach)
     ("m" "Mark :train:" ouroboros-mark)
     ("T" "Teach what is marked" ouroboros-teach-marked)
     ("f" "Load file" ouroboros-load-file))
    ("State"
     ("0" "Reset" ouroboros-state-reset)
     ("s" "Save" ouroboros-state-save)
     ("o" "Load" ouroboros-state-load))
    ("Weights"
     ("l" "Lessons" ouroboros-lessons)
     ("b" "Back to a version" ouroboros-rollback)
     ("S" "Save checkpoint" ouroboros-save)
     ("O" "Load checkpoint" ouroboros-load)))
  "Every command with its key, by what it is about.")

;;;###autoload
(defun ouroboros-menu ()
  "Show every command with its key, and do the one chosen.
A transient menu where transient is installed."
  (interactive)
  (if (fboundp 'ouroboros-transient)
      (call-interactively 'ouroboros-transient)
    (let* ((commands (apply #'append (mapcar #'cdr ouroboros-commands)))
           (choice (read-char-choice (concat (mapconcat (lambda (command) (format "%s %s" (car command) (cadr command))) commands ", ") ": ")
                                     (mapcar (lambda (command) (string-to-char (car command))) commands))))
      (call-interactively (nth 2 (assoc (string choice) commands))))))

(when (require 'transient nil t)
  ;; Evaluated, since the macro is not there to compile with on Emacs 27.
  (eval `(transient-define-prefix ouroboros-transient ()
                                  "Every command of Ouroboros."
                                  [,@(mapcar #'vconcat ouroboros-commands)])
        t))

(defvar ouroboros-command-map
  (let ((map (make-sparse-keymap)))
    (pcase-dolist (`(,_ . ,commands) ouroboros-commands)
      (pcase-dolist (`(,key ,_ ,command) commands)
        (define-key map key command)))
    (define-key map "?" #'ouroboros-menu)
    map)
  "Keys after `ouroboros-prefix'.")

(defvar ouroboros-mode-map (make-sparse-keymap)
  "Keys of `ouroboros-mode'.")

(defcustom ouroboros-prefix "C-c _"
  "Key that the commands stand after in `ouroboros-mode'."
  :type 'string
  :group 'ouroboros
  :set (lambda (symbol value)
         (when (boundp symbol)
           (define-key ouroboros-mode-map (kbd (symbol-value symbol)) nil))
         (set-default symbol value)
         (define-key ouroboros-mode-map (kbd value) ouroboros-command-map)))

(defun ouroboros--correct-here ()
  "Correct the answer that point is in, if it is in one that the model gave.
For `org-ctrl-c-ctrl-c-final-hook', which asks when org has nothing
to do."
  (when (and (ouroboros-org-answers-p)
             (org-entry-get (ouroboros-org-root) ouroboros-chat--property))
    (ouroboros-correct)
    t))

;;;###autoload
(define-minor-mode ouroboros-mode
  "Talk with an Ouroboros server from this org buffer.
The mode line has the version of the weights and the last loss.  In
the text of an answer \\[org-ctrl-c-ctrl-c] teaches what it should
have been.

\\{ouroboros-mode-map}"
  :lighter (:eval (ouroboros-status-text))
  :keymap ouroboros-mode-map
  (cond (ouroboros-mode
         (add-hook 'org-ctrl-c-ctrl-c-final-hook #'ouroboros--correct-here nil t)
         (add-hook 'kill-buffer-hook #'ouroboros--leave nil t)
         (ouroboros-status-listen))
        (t
         (remove-hook 'org-ctrl-c-ctrl-c-final-hook #'ouroboros--correct-here t)
         (remove-hook 'kill-buffer-hook #'ouroboros--leave t)
         (ouroboros--leave))))

(defun ouroboros--leave ()
  "Stop what is done for this buffer, and hear no more if it is the last."
  (mapc #'ouroboros-abort ouroboros-status-open)
  (setq ouroboros-status-open nil)
  (ouroboros-open-mode -1)
  (unless (seq-some (lambda (buffer)
                      (and (not (eq buffer (current-buffer))) (buffer-local-value 'ouroboros-mode buffer)))
                    (buffer-list))
    (ouroboros-status-hang-up)))

(provide 'ouroboros)
;;; ouroboros.el ends here
