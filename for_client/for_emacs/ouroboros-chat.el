;;; ouroboros-chat.el --- Ask, regenerate and correct in an org subtree  -*- lexical-binding: t; -*-

;; Author: RWKV-Ouroboros
;; URL: https://github.com/neromous/RWKV-Ouroboros
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; The text in the buffer is the conversation.  The server keeps one of its
;; own, a session, whose name is a property of the subtree.  As long as both
;; say the same, the session goes on, and its answers can be corrected; where
;; the buffer was edited, what it says goes to a new session.

;;; Code:

(require 'cl-lib)
(require 'org)
(require 'seq)
(require 'subr-x)
(require 'ouroboros-http)
(require 'ouroboros-org)
(require 'ouroboros-status)

(defcustom ouroboros-infer-options '((max_tokens . 256))
  "Fields of the server's /infer to send with each question.
For example ((temperature . 0) (seed . 1))."
  :type '(alist :key-type symbol :value-type sexp)
  :group 'ouroboros)

(defcustom ouroboros-train-options nil
  "Fields of the server's /train to send with each lesson.
For example ((until_loss . 0.2) (checks . :json-false))."
  :type '(alist :key-type symbol :value-type sexp)
  :group 'ouroboros)

(defcustom ouroboros-buffer-name "*ouroboros*"
  "Buffer where the answer to a region of a buffer that is not org appears."
  :type 'string
  :group 'ouroboros)

(defconst ouroboros-chat--property "OUROBOROS_SESSION"
  "Property of a conversation: the session of the server that has it too.")

;;; The session beside the buffer

(defun ouroboros-chat--plain (text)
  "TEXT with single blanks, as if it were never filled."
  (string-join (split-string text) " "))

(defun ouroboros-chat--session (root)
  "The session of the conversation at ROOT, or nil.
A list of its messages, each (ROLE TEXT TURN), where TURN is nil for
what was asked, after its name."
  (let ((name (org-entry-get root ouroboros-chat--property)))
    (when name
      (let ((turns (alist-get 'turns (ouroboros-call "GET" (concat "/sessions/" (url-hexify-string name)) nil t))))
        (cons name
              (cl-loop for turn in turns
                       append (mapcar (lambda (message) (list (alist-get 'role message) (alist-get 'text message) nil))
                                      (alist-get 'messages turn))
                       collect (list (cdar (last ouroboros-roles)) (alist-get 'answer turn) (alist-get 'turn turn))))))))

(defun ouroboros-chat--agree (said messages)
  "How many of SAID, the messages of a session, are those of the buffer.
MESSAGES are the buffer's."
  (cl-loop for (role text _) in said
           for message in messages
           while (and (equal role (ouroboros-message-role message))
                      (equal (ouroboros-chat--plain text) (ouroboros-chat--plain (ouroboros-message-text message))))
           count t))

(defun ouroboros-chat--new-session ()
  "A name for a session."
  (concat "org-" (substring (ouroboros-key) 6 22)))

;;; An answer as it comes

(defun ouroboros-chat--write (path body open close)
  "POST BODY to PATH and write the answer into this buffer as it comes.
OPEN is called with the first piece and leaves point on the empty
line where the text is to stand.  CLOSE is called at the end with
the whole answer, or nil where there is none."
  (let ((from nil) (to nil) (line "") (request nil))
    (setq
     request
     (ouroboros-status-send
      path `(,@body (stream . t))
      :event (lambda (event)
               (unless (alist-get 'finish_reason event)
                 (save-excursion
                   (save-restriction
                     (widen)
                     (unless from
                       (funcall open)
                       (setq from (point-marker) to (copy-marker (point) t)))
                     (if (save-excursion (goto-char from) (ouroboros-org-answers-p))
                         (setq line (ouroboros-chat--piece from to (concat line (alist-get 'text event))))
                       (ouroboros-status-cancel request))))))
      :done (lambda (answer)
              (save-excursion
                (save-restriction
                  (widen)
                  (unless (or from (equal (alist-get 'finish_reason answer) "cancelled"))
                    (funcall open))
                  (funcall close answer)))
              (ouroboros-tell (ouroboros-chat--told answer)))
      :fail (lambda (_)
              (save-excursion
                (save-restriction
                  (widen)
                  (funcall close nil))))))))

(defun ouroboros-chat--piece (from to line)
  "Put LINE, the last line of an answer so far, between FROM and TO.
FROM goes to the line after the last that is whole; returns what is
on it.  A line that org would take for its own gets a comma."
  (goto-char from)
  (delete-region from to)
  (insert (org-escape-code-in-string line))
  (beginning-of-line)
  (set-marker from (point))
  (car (last (split-string line "\n"))))

(defun ouroboros-chat--told (answer)
  "A word on ANSWER when it is whole."
  (let ((versions (alist-get 'versions answer)))
    (concat (pcase (alist-get 'finish_reason answer)
              ("cancelled" "stopped")
              ("length" "cut at max_tokens")
              (_ "answered"))
            (if versions
                (format " by version %s" (string-join (delete-dups (mapcar #'number-to-string versions)) " to "))
              ""))))

(defun ouroboros-chat--ask (root messages &optional open close)
  "Ask MESSAGES, those of the conversation at ROOT or the first of them.
OPEN and CLOSE are as in `ouroboros-chat--write'; without them the
answer becomes the next heading."
  (let* ((session (ouroboros-chat--session root))
         (known (length (cdr session)))
         (goes-on (and (cdr session) (< known (length messages))
                       (= known (ouroboros-chat--agree (cdr session) messages))))
         (name (if goes-on (car session) (ouroboros-chat--new-session)))
         (place (copy-marker root t)))
    (ouroboros-chat--write
     "/infer"
     `((messages . ,(ouroboros-org-body-of (if goes-on (nthcdr known messages) messages)))
       (session . ,name) ,@ouroboros-infer-options)
     (or open (lambda () (ouroboros-org-append place (cdar (last ouroboros-roles)))))
     (lambda (answer)
       (when close
         (funcall close answer))
       (when (alist-get 'turn answer)
         (org-entry-put place ouroboros-chat--property name))))))

;;; Commands

(defun ouroboros-chat-assert-org ()
  "Refuse to go on outside of org."
  (unless (derived-mode-p 'org-mode)
    (user-error "This needs an org buffer; in others a region can be asked and taught")))

;;;###autoload
(defun ouroboros-ask ()
  "Ask the model what stands here; its answer streams in.
With an active region the region is asked, in a conversation of its
own: in an org buffer under the heading around it, or beside the
conversation there; from another buffer in `ouroboros-buffer-name'.
Without one, the conversation around point is asked, and the answer
becomes its next heading;
where it ends with an answer, room is made for what you say next."
  (interactive)
  (if (use-region-p)
      (ouroboros-chat--ask-text (buffer-substring-no-properties (region-beginning) (region-end)))
    (ouroboros-chat-assert-org)
    (let* ((root (ouroboros-org-root))
           (messages (ouroboros-org-messages root))
           (last (car (last messages))))
      (cond ((null messages)
             (user-error "Nobody says anything here: write a heading such as ** USER What is a cat?"))
            ((equal (ouroboros-message-role last) (cdar (last ouroboros-roles)))
             (ouroboros-org-append root "user")
             (ouroboros-tell "write what you say next, then ask"))
            ((string-blank-p (ouroboros-message-text last))
             (user-error "The last message is empty"))
            (t (ouroboros-chat--ask root messages))))))

(defun ouroboros-chat--ask-text (text)
  "Ask TEXT in a conversation of its own."
  (when (string-blank-p text)
    (user-error "The region is empty"))
  (deactivate-mark)
  (let* ((here (derived-mode-p 'org-mode))
         (text (string-trim text))
         (title (truncate-string-to-width (replace-regexp-in-string "\\`[* \t]+" "" (car (split-string text "\n"))) 50 nil nil "..."))
         (buffer (if here (current-buffer) (get-buffer-create ouroboros-buffer-name))))
    (with-current-buffer buffer
      (unless (derived-mode-p 'org-mode)
        (org-mode)
        (ouroboros-chat--turn-on))
      (save-excursion
        (let ((level 1)
              (root (and here (ignore-errors (ouroboros-org-root)))))
          (goto-char (or root (point-max)))
          (when root
            (setq level (+ (org-outline-level) (if (ouroboros-org-messages root) 0 1)))
            (org-end-of-subtree t))
          (skip-chars-backward " \t\n")
          (forward-line)
          (unless (bolp)
            (insert "\n"))
          (let ((root (point-marker)))
            (insert (make-string level ?*) " " title "\n")
            (ouroboros-org-insert (1+ level) "user" text)
            (ouroboros-chat--ask root (ouroboros-org-messages root))))))
    (unless here
      (display-buffer buffer))))

(declare-function ouroboros-mode "ouroboros")

(defun ouroboros-chat--turn-on ()
  "Turn on `ouroboros-mode'."
  (require 'ouroboros)
  (ouroboros-mode 1))

;;;###autoload
(defun ouroboros-regenerate ()
  "Have the answer at point, or the last one of the conversation, written anew.
What stands after it leaves the conversation, if you agree."
  (interactive)
  (ouroboros-chat-assert-org)
  (let* ((root (ouroboros-org-root))
         (messages (ouroboros-org-messages root))
         (answer (ouroboros-chat--answer messages))
         (before (seq-take-while (lambda (message) (not (eq message answer))) messages))
         (after (cdr (memq answer messages)))
         (session (ouroboros-chat--session root))
         (turn (nth 2 (nth (length before) (cdr session))))
         (place (copy-marker (ouroboros-message-point answer) t))
         (old nil)
         (open (lambda ()
                 (goto-char place)
                 (setq old (buffer-substring place (save-excursion (outline-next-heading) (point))))
                 (ouroboros-org-empty)))
         (close (lambda (whole)
                  (cond ((and old (null (alist-get 'turn whole)))
                         (goto-char place)
                         (delete-region place (save-excursion (outline-next-heading) (point)))
                         (insert old)
                         (set-marker place (- (point) (length old))))
                        (after
                         (goto-char place)
                         (outline-next-heading)
                         (let ((from (point)))
                           (goto-char place)
                           (goto-char (ouroboros-org-root))
                           (org-end-of-subtree t t)
                           (skip-chars-backward " \t\n")
                           (forward-line)
                           (delete-region from (max from (point)))))))))
    (when (null before)
      (user-error "Nothing was asked before this answer"))
    (when (or (null after)
              (y-or-n-p (format "%d later messages leave the conversation; go on? " (length after))))
      (if (and turn (= (length before) (ouroboros-chat--agree (seq-take (cdr session) (length before)) before)))
          (ouroboros-chat--write (format "/sessions/%s/regenerate" (url-hexify-string (car session)))
                                 `((turn . ,turn) ,@ouroboros-infer-options) open close)
        (ouroboros-chat--ask root before open close)))))

(defun ouroboros-chat--answer (messages)
  "The answer of MESSAGES that point is in, or else the last one."
  (let* ((answers (seq-filter (lambda (message) (equal (ouroboros-message-role message) (cdar (last ouroboros-roles)))) messages))
         (here (save-excursion (org-back-to-heading t) (point))))
    (or (seq-find (lambda (message) (= (ouroboros-message-point message) here)) answers)
        (car (last answers))
        (user-error "There is no answer in this conversation"))))

;;;###autoload
(defun ouroboros-correct ()
  "Teach the answer at point, or the last one, as you have edited it.
The model wrote it another way; what stands here now is what it
should have said.  Loss and version become properties of the answer."
  (interactive)
  (ouroboros-chat-assert-org)
  (let* ((root (ouroboros-org-root))
         (messages (ouroboros-org-messages root))
         (answer (ouroboros-chat--answer messages))
         (at (cl-position answer messages))
         (session (ouroboros-chat--session root))
         (said (nth at (cdr session)))
         (place (copy-marker (ouroboros-message-point answer) t)))
    (cond ((null (nth 2 said))
           (user-error "The model did not give this answer: teach it with `ouroboros-teach'"))
          ((< (ouroboros-chat--agree (cdr session) messages) at)
           (user-error "What stands above the answer was changed since: teach it with `ouroboros-teach', or ask again"))
          ((string-blank-p (ouroboros-message-text answer))
           (user-error "The answer is empty"))
          ((equal (ouroboros-chat--plain (nth 1 said)) (ouroboros-chat--plain (ouroboros-message-text answer)))
           (user-error "The answer is as the model gave it: edit it first")))
    (ouroboros-status-send
     (format "/sessions/%s/correct" (url-hexify-string (car session)))
     `((turn . ,(nth 2 said)) (text . ,(ouroboros-message-text answer)) (stream . t)
       (idempotency_key . ,(ouroboros-key)) ,@ouroboros-train-options)
     :done (lambda (result)
             (when (eq (alist-get 'learned result) t)
               (ouroboros-org-record place (ouroboros-org-facts result)))
             (ouroboros-tell (ouroboros-chat-learned result))))))

(defun ouroboros-chat-learned (result)
  "The words of RESULT on a lesson, in a sentence."
  (let ((kept (alist-get 'kept (alist-get 'checks result))))
    (concat (or (alist-get 'reason result)
                (alist-get 'en (alist-get 'words result))
                "Nothing was learned.")
            (if (alist-get 'version result) (format " Version %s." (alist-get 'version result)) "")
            (if kept (format " Of %s earlier lessons %s are known." (car kept) (cadr kept)) ""))))

(provide 'ouroboros-chat)
;;; ouroboros-chat.el ends here
