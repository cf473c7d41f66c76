;;; ouroboros-lessons.el --- The list of what was taught  -*- lexical-binding: t; -*-

;; Author: RWKV-Ouroboros
;; URL: https://github.com/neromous/RWKV-Ouroboros
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; A table of lessons, the newest first, from which each can be seen whole,
;; taken out of the weights, taught again or no longer rehearsed.

;;; Code:

(require 'seq)
(require 'subr-x)
(require 'tabulated-list)
(require 'ouroboros-chat)
(require 'ouroboros-http)
(require 'ouroboros-state)
(require 'ouroboros-status)

(defcustom ouroboros-lessons-limit 200
  "How many lessons the list has at most."
  :type 'integer
  :group 'ouroboros)

(defvar-local ouroboros-lessons--all nil
  "The lessons of the list, as the server tells of them.")

(defvar ouroboros-lessons-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "RET") #'ouroboros-lessons-show)
    (define-key map "u" #'ouroboros-lessons-undo)
    (define-key map "b" #'ouroboros-lessons-rollback)
    (define-key map "t" #'ouroboros-lessons-teach-again)
    (define-key map "d" #'ouroboros-lessons-retract)
    map)
  "Keys of the list of lessons.")

(define-derived-mode ouroboros-lessons-mode tabulated-list-mode "Lessons"
  "What the model was taught, the newest first.

\\{ouroboros-lessons-mode-map}"
  (setq tabulated-list-format [("Version" 8 ouroboros-lessons--older) ("Before" 7 nil :right-align t)
                               ("After" 7 nil :right-align t) ("Now" 7 nil :right-align t)
                               ("Taught" 17 t) ("State" 10 t) ("Lesson" 0 t)]
        tabulated-list-padding 1)
  (add-hook 'tabulated-list-revert-hook #'ouroboros-lessons--fetch nil t)
  (setq mode-line-process '(:eval (ouroboros-status-text)))
  (tabulated-list-init-header))

;;;###autoload
(defun ouroboros-lessons ()
  "List what the model was taught."
  (interactive)
  (ouroboros-status-listen)
  (let ((buffer (get-buffer-create "*ouroboros-lessons*")))
    (with-current-buffer buffer
      (unless (derived-mode-p 'ouroboros-lessons-mode)
        (ouroboros-lessons-mode))
      (revert-buffer))
    (pop-to-buffer buffer)))

(defun ouroboros-lessons--path ()
  "The path to ask for the lessons."
  (format "/lessons?limit=%d" ouroboros-lessons-limit))

(defun ouroboros-lessons--fetch ()
  "Ask the server for the lessons, and wait for them."
  (ouroboros-lessons--take (ouroboros-call "GET" (ouroboros-lessons--path))))

(defun ouroboros-lessons--take (answer)
  "Take the lessons of ANSWER as those of the list."
  (setq ouroboros-lessons--all (alist-get 'lessons answer)
        tabulated-list-entries (mapcar #'ouroboros-lessons--entry ouroboros-lessons--all)))

(defun ouroboros-lessons--entry (lesson)
  "LESSON as an entry of the table."
  (let ((loss (lambda (name) (let ((value (alist-get name lesson))) (if (numberp value) (format "%.3f" value) "-")))))
    (list (alist-get 'lesson lesson)
          (vector (format "%s" (alist-get 'version lesson))
                  (funcall loss 'loss_before) (funcall loss 'loss_after) (funcall loss 'loss_now)
                  (format-time-string "%Y-%m-%d %H:%M" (alist-get 'time lesson))
                  (format "%s" (alist-get 'state lesson))
                  (ouroboros-lessons--line lesson)))))

(defun ouroboros-lessons--older (a b)
  "Whether the entry A is of an older version than B."
  (< (string-to-number (aref (cadr a) 0)) (string-to-number (aref (cadr b) 0))))

(defun ouroboros-lessons--line (lesson)
  "The words of LESSON in a line."
  (replace-regexp-in-string
   "[ \t\n]+" " "
   (if (alist-get 'messages lesson)
       (mapconcat (lambda (message) (alist-get 'text message)) (alist-get 'messages lesson) " / ")
     (or (alist-get 'text lesson) (format "%s tokens" (length (alist-get 'tokens lesson)))))))

(defun ouroboros-lessons--here ()
  "The lesson that point is on."
  (let ((id (or (tabulated-list-get-id) (user-error "There is no lesson on this line"))))
    (seq-find (lambda (lesson) (equal (alist-get 'lesson lesson) id)) ouroboros-lessons--all)))

(defun ouroboros-lessons-show ()
  "Show the lesson at point whole, with what happened to it."
  (interactive)
  (let* ((lesson (ouroboros-lessons--here))
         (id (alist-get 'lesson lesson))
         (history (alist-get 'history (ouroboros-call "GET" (concat "/lessons/" id)))))
    (with-help-window "*ouroboros-lesson*"
      (princ (format "%s, version %s\n%s\n\n" id (alist-get 'version lesson) (alist-get 'en (alist-get 'words lesson))))
      (dolist (message (alist-get 'messages lesson))
        (princ (format "%s: %s\n\n" (ouroboros-org-keyword (alist-get 'role message)) (alist-get 'text message))))
      (when (alist-get 'text lesson)
        (princ (format "%s\n\n" (alist-get 'text lesson))))
      (when (alist-get 'rejected lesson)
        (princ (format "Instead of: %s\n\n" (alist-get 'rejected lesson))))
      (dolist (event history)
        (princ (format "%s  %s\n" (ouroboros-lessons--when (alist-get 'time event)) (alist-get 'event event)))))))

(defun ouroboros-lessons--when (time)
  "TIME, a number or a text, as a text."
  (if (numberp time) (format-time-string "%Y-%m-%d %H:%M:%S" time) (format "%s" time)))

(defun ouroboros-lessons--do (path body told)
  "POST BODY to PATH, then show the list anew.
What TOLD makes of the answer is shown."
  (ouroboros-status-send path body
                         :done (lambda (result)
                                 (ouroboros-lessons--refresh)
                                 (ouroboros-tell (funcall told result)))))

(defun ouroboros-lessons--refresh ()
  "Show the list anew when the server has told of it."
  (let ((buffer (current-buffer)))
    (ouroboros-send "GET" (ouroboros-lessons--path) nil
                    :done (lambda (answer)
                            (when (buffer-live-p buffer)
                              (with-current-buffer buffer
                                (ouroboros-lessons--take answer)
                                (tabulated-list-print t)))))))

(defun ouroboros-lessons-undo ()
  "Take the lesson at point out of the weights.
Those after it are learned again without it."
  (interactive)
  (let ((id (alist-get 'lesson (ouroboros-lessons--here))))
    (when (y-or-n-p (format "Take %s out of the weights? " id))
      (ouroboros-lessons--do (format "/lessons/%s/undo" id) (make-hash-table)
                             (lambda (result)
                               (format "%s is undone, %s lessons were learned again; the weights are version %s" id
                                       (alist-get 'relearned result) (alist-get 'version result)))))))

(defun ouroboros-lessons-rollback ()
  "Go back to the version that the lesson at point made."
  (interactive)
  (let ((version (alist-get 'version (ouroboros-lessons--here))))
    (when (y-or-n-p (format "Go back to version %s? " version))
      (ouroboros-lessons--do "/rollback" `((version . ,version))
                             (lambda (result)
                               (format "the weights are version %s; %d lessons left them" (alist-get 'version result)
                                       (length (alist-get 'left result))))))))

(defun ouroboros-lessons-teach-again ()
  "Teach the lesson at point again."
  (interactive)
  (ouroboros-lessons--do (format "/lessons/%s/retrain" (alist-get 'lesson (ouroboros-lessons--here)))
                         `((stream . t) (idempotency_key . ,(ouroboros-key)) ,@ouroboros-train-options)
                         #'ouroboros-chat-learned))

(defun ouroboros-lessons-retract ()
  "Rehearse the lesson at point no more; what it did stays in the weights."
  (interactive)
  (let ((id (alist-get 'lesson (ouroboros-lessons--here))))
    (when (y-or-n-p (format "Rehearse %s no more? " id))
      (ouroboros-call "DELETE" (concat "/lessons/" id))
      (revert-buffer)
      (ouroboros-tell (format "%s is rehearsed no more" id)))))

(provide 'ouroboros-lessons)
;;; ouroboros-lessons.el ends here
