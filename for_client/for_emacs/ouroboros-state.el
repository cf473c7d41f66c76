;;; ouroboros-state.el --- States, checkpoints and versions of the model  -*- lexical-binding: t; -*-

;; Author: RWKV-Ouroboros
;; URL: https://github.com/neromous/RWKV-Ouroboros
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; A state is what the model remembers of what it has read; a checkpoint is
;; its weights, on the server's disk; a version is the weights after a lesson.

;;; Code:

(require 'org)
(require 'ouroboros-http)
(require 'ouroboros-chat)
(require 'ouroboros-status)

(defun ouroboros-state--kind (training)
  "The name of a kind of state: that of TRAINING, or else of answering."
  (if training "train" "infer"))

;;;###autoload
(defun ouroboros-state-reset (&optional training)
  "Let new conversations begin with an empty state again.
With TRAINING, the prefix argument, empty the training memory."
  (interactive "P")
  (ouroboros-call "POST" "/state" `((kind . ,(ouroboros-state--kind training)) (action . "reset")))
  (ouroboros-tell (if training "the training memory is empty" "new conversations begin with an empty state")))

;;;###autoload
(defun ouroboros-state-save (name &optional training)
  "Save the state of the conversation around point as NAME.
Elsewhere it is that of the conversation answered last.  With
TRAINING, the prefix argument, save the training memory."
  (interactive (list (ouroboros-state--read-name "Save state as: ") current-prefix-arg))
  (let* ((session (and (not training) (derived-mode-p 'org-mode)
                       (ignore-errors (org-entry-get (ouroboros-org-root) ouroboros-chat--property))))
         (result (ouroboros-call "POST" "/state" `((kind . ,(ouroboros-state--kind training)) (action . "save") (name . ,name)
                                                   ,@(and session `((session . ,session)))))))
    (ouroboros-tell (format "state %s saved: %s tokens at version %s" name (alist-get 'tokens result) (alist-get 'version result)))))

;;;###autoload
(defun ouroboros-state-load (name &optional training)
  "Let new conversations begin with the state NAME.
With TRAINING, the prefix argument, make it the training memory."
  (interactive (list (ouroboros-state--choose "Load state: " (ouroboros-state--kind current-prefix-arg)) current-prefix-arg))
  (ouroboros-call "POST" "/state" `((kind . ,(ouroboros-state--kind training)) (action . "load") (name . ,name)))
  (ouroboros-tell (format (if training "%s is the training memory" "new conversations begin with the state %s") name)))

(defun ouroboros-state--read-name (prompt)
  "Read a new name with PROMPT."
  (let ((name (read-string prompt)))
    (if (let ((case-fold-search nil)) (string-match-p "\\`[a-z0-9][a-z0-9._-]\\{0,63\\}\\'" name))
        name
      (user-error "A name has small letters, digits, dots, hyphens and underscores, at most 64"))))

(defun ouroboros-state--choose (prompt kind)
  "Read with PROMPT the name of one of the states of KIND."
  (let ((names (delq nil (mapcar (lambda (state) (and (equal (alist-get 'kind state) kind) (alist-get 'name state)))
                                 (alist-get 'states (ouroboros-call "GET" "/state"))))))
    (unless names
      (user-error "No such state is saved"))
    (completing-read prompt names nil t)))

;;;###autoload
(defun ouroboros-save (name)
  "Save the weights as the checkpoint NAME."
  (interactive (list (ouroboros-state--read-name "Save checkpoint as: ")))
  (let ((result (ouroboros-call "POST" "/save" `((name . ,name)))))
    (ouroboros-tell (format "version %s saved as %s, %s" (alist-get 'version result) name
                            (file-size-human-readable (alist-get 'bytes result))))))

;;;###autoload
(defun ouroboros-load (name)
  "Load the checkpoint NAME."
  (interactive (list (let ((names (mapcar (lambda (one) (alist-get 'name one))
                                          (alist-get 'checkpoints (ouroboros-call "GET" "/save")))))
                       (unless names
                         (user-error "No checkpoint is saved"))
                       (completing-read "Load checkpoint: " names nil t))))
  (ouroboros-state--moved (ouroboros-call "POST" "/load" `((name . ,name)))))

;;;###autoload
(defun ouroboros-rollback (version)
  "Go back to VERSION of the weights.
Lessons that it does not contain leave the model; they stay in the
journal, and going to a later version brings them back."
  (interactive (list (ouroboros-state--version)))
  (ouroboros-state--moved (ouroboros-call "POST" "/rollback" `((version . ,version)))))

(defun ouroboros-state--version ()
  "Read a version that there was."
  (string-to-number
   (completing-read "Go back to version: "
                    (delq nil (mapcar (lambda (one) (and (not (eq (alist-get 'present one) t))
                                                         (number-to-string (alist-get 'version one))))
                                      (alist-get 'versions (ouroboros-call "GET" "/versions"))))
                    nil t)))

(defun ouroboros-state--moved (result)
  "Note and show the version in RESULT, and return RESULT."
  (ouroboros-status-listen)
  (ouroboros-status-note result)
  (ouroboros-tell (format "the weights are version %s" (alist-get 'version result)))
  result)

(provide 'ouroboros-state)
;;; ouroboros-state.el ends here
