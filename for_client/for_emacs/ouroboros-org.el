;;; ouroboros-org.el --- Conversations and lessons in org files  -*- lexical-binding: t; -*-

;; Author: RWKV-Ouroboros
;; URL: https://github.com/neromous/RWKV-Ouroboros
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; A conversation is a subtree: its headings with a role as keyword are what
;; was said, in order.  The server reads org files by the same rules.
;;
;;     * My cat
;;     ** USER What is my cat called?
;;     ** ASSISTANT Your cat is called Wanda.
;;
;; Here a subtree may be of any level: it is sent as if it were of the first.

;;; Code:

(require 'cl-lib)
(require 'org)
(require 'org-src)
(require 'subr-x)
(require 'ouroboros-http)

(defcustom ouroboros-roles '(("SYSTEM" . "system") ("USER" . "user") ("ASSISTANT" . "assistant"))
  "Keywords of headings, and the roles of the server that they stand for.
The last one is the role that answers."
  :type '(alist :key-type string :value-type string)
  :group 'ouroboros)

(defconst ouroboros-org--settings "^#\\+\\(?:TODO\\|SEQ_TODO\\|TYP_TODO\\|PROPERTY\\|FILETAGS\\):.*$"
  "Lines of a file that hold for each of its lessons.")

(cl-defstruct (ouroboros-message (:constructor ouroboros-message) (:copier nil))
  "What ROLE said as TEXT; its heading begins at POINT."
  role text point)

;;; Reading

(defun ouroboros-org--heading ()
  "The level, role or nil, and words of the heading at point."
  (let ((case-fold-search nil))
    (looking-at "\\(\\*+\\)[ \t]+\\(.*?\\)[ \t]*$"))
  (let* ((level (- (match-end 1) (match-beginning 1)))
         (line (match-string-no-properties 2))
         (line (replace-regexp-in-string "\\(?:\\`\\|[ \t]+\\):[[:alnum:]_@#%:]+:\\'" "" line))
         (word (car (split-string line)))
         (rest (string-trim-left (substring line (length word))))
         (words (replace-regexp-in-string "\\`\\[#[A-Z0-9]\\][ \t]*" "" rest))
         (role (and word
                    (or (> level 1) (string-empty-p words) (member word (list (upcase word) (downcase word))))
                    (cdr (assoc-string word ouroboros-roles t)))))
    (list level role (if role words line))))

(defun ouroboros-org-role ()
  "The role of the heading that point is under, or nil."
  (save-excursion
    (when (ignore-errors (org-back-to-heading t))
      (nth 1 (ouroboros-org--heading)))))

(defun ouroboros-org-answers-p ()
  "Whether the heading that point is under is an answer."
  (equal (ouroboros-org-role) (cdar (last ouroboros-roles))))

(defun ouroboros-org--body ()
  "Where the text under the heading at point begins and ends."
  (save-excursion
    (let ((end (save-excursion (outline-next-heading) (point))))
      (org-end-of-meta-data 'standard)
      (let ((begin (min (point) end)))
        (goto-char end)
        (skip-chars-backward " \t\n" begin)
        (cons begin (point))))))

(defun ouroboros-org--text ()
  "The text of the message whose heading is at point, as for the server."
  (pcase-let* ((`(,begin . ,end) (ouroboros-org--body))
               (lines (nreverse (split-string (buffer-substring-no-properties begin end) "\n"))))
    (while (and lines (string-match-p "\\`[ \t]*\\(?:#\\(?:[ \t].*\\|\\+[[:alnum:]_]+:.*\\)?\\)?\\'" (car lines)))
      (pop lines))
    (let ((body (string-trim (org-remove-indentation (string-join (nreverse lines) "\n")) "\n+" "\n+")))
      (if (string-blank-p body)
          (nth 2 (ouroboros-org--heading))
        (org-unescape-code-in-string body)))))

(defun ouroboros-org-root ()
  "Where the conversation around point begins.
It is the nearest heading above that is no message, or the message
under which all others stand."
  (save-excursion
    (unless (ignore-errors (org-back-to-heading t))
      (user-error "There is no heading here: a conversation is a subtree"))
    (while (and (nth 1 (ouroboros-org--heading)) (org-up-heading-safe)))
    (point)))

(defun ouroboros-org-messages (root)
  "The messages of the conversation at ROOT, in order.
A heading below it that is no message begins something else."
  (save-excursion
    (goto-char root)
    (let ((end (save-excursion (org-end-of-subtree t t) (point)))
          (messages nil))
      (while (< (point) end)
        (let ((role (nth 1 (ouroboros-org--heading))))
          (when role
            (push (ouroboros-message :role role :text (ouroboros-org--text) :point (point)) messages))
          (if (or role (= (point) root))
              (unless (outline-next-heading)
                (goto-char end))
            (org-end-of-subtree t t))))
      (nreverse messages))))

(defun ouroboros-org-body-of (messages)
  "MESSAGES as the server takes them."
  (vconcat (mapcar (lambda (message)
                     `((role . ,(ouroboros-message-role message)) (text . ,(ouroboros-message-text message))))
                   messages)))

;;; Lessons to send

(defun ouroboros-org-subtree (root)
  "The subtree at ROOT as text whose first heading has one star."
  (save-excursion
    (goto-char root)
    (let* ((level (car (ouroboros-org--heading)))
           (text (buffer-substring-no-properties root (progn (org-end-of-subtree t t) (point)))))
      (concat (replace-regexp-in-string (format "^\\*\\{%d\\}\\(\\*+[ \t]\\)" (1- level)) "\\1" text)
              (if (string-suffix-p "\n" text) "" "\n")))))

(defun ouroboros-org-gather (roots)
  "The subtrees at ROOTS as one file of lessons: (CONTENT . PLACES).
PLACES has a marker for the line that each begins at."
  (let ((content "") (places nil))
    (save-excursion
      (goto-char (point-min))
      (let ((case-fold-search t))
        (while (re-search-forward ouroboros-org--settings nil t)
          (setq content (concat content (match-string-no-properties 0) "\n")))))
    (dolist (root roots)
      (push (cons (1+ (cl-count ?\n content)) (copy-marker root t)) places)
      (setq content (concat content (ouroboros-org-subtree root))))
    (cons content places)))

(defun ouroboros-org--map (function)
  "The values of FUNCTION at each heading of the buffer, without nil."
  (save-excursion
    (save-restriction
      (widen)
      (goto-char (point-min))
      (let ((found nil))
        (while (or (and (bobp) (null found) (org-at-heading-p)) (outline-next-heading))
          (let ((value (funcall function)))
            (when value
              (push value found)))
          (end-of-line))
        (nreverse found)))))

(defun ouroboros-org-whole ()
  "The whole buffer as (CONTENT . PLACES), as in `ouroboros-org-gather'."
  (save-restriction
    (widen)
    (cons (buffer-substring-no-properties (point-min) (point-max))
          (and (derived-mode-p 'org-mode)
               (ouroboros-org--map (lambda ()
                                     (and (looking-at-p "\\*[ \t]") (cons (line-number-at-pos) (copy-marker (point) t)))))))))

(defun ouroboros-org-roots (begin end)
  "Where the conversations begin that have a heading between BEGIN and END."
  (save-excursion
    (goto-char begin)
    (unless (org-at-heading-p)
      (outline-next-heading))
    (let ((roots nil))
      (while (and (< (point) end) (org-at-heading-p))
        (when (nth 1 (ouroboros-org--heading))
          (cl-pushnew (ouroboros-org-root) roots))
        (unless (outline-next-heading)
          (goto-char (point-max))))
      (nreverse roots))))

(defun ouroboros-org-tagged (&rest tags)
  "Where the headings are that have one of TAGS themselves."
  (ouroboros-org--map (lambda ()
                        (and (cl-some (lambda (tag) (member (downcase tag) tags)) (org-get-tags nil t))
                             (point)))))

;;; Writing

(defun ouroboros-org-keyword (role)
  "The keyword that stands for ROLE."
  (or (car (rassoc role ouroboros-roles)) (upcase role)))

(defun ouroboros-org--room ()
  "Make the place at point an empty line."
  (unless (bolp)
    (insert "\n"))
  (unless (eolp)
    (insert "\n")
    (backward-char)))

(defun ouroboros-org-insert (level role &optional text)
  "Insert a heading of LEVEL for ROLE at point, with TEXT under it.
Leaves point where the text ends."
  (unless (bolp)
    (insert "\n"))
  (insert (make-string level ?*) " " (ouroboros-org-keyword role) "\n\n")
  (backward-char)
  (when text
    (insert (org-escape-code-in-string text))))

(defun ouroboros-org-append (root role)
  "Insert an empty message of ROLE at the end of the conversation at ROOT.
Its level is that of the messages there.  Leaves point on the line
under its heading."
  (let ((level (save-excursion
                 (goto-char root)
                 (pcase-let ((`(,top ,said . ,_) (ouroboros-org--heading))
                             (last (car (last (ouroboros-org-messages root)))))
                   (cond ((or said (not last)) (1+ top))
                         (t (goto-char (ouroboros-message-point last))
                            (car (ouroboros-org--heading))))))))
    (goto-char root)
    (org-end-of-subtree t)
    (skip-chars-backward " \t\n")
    (forward-line)
    (ouroboros-org-insert level role)))

(defun ouroboros-org-empty ()
  "Take away the text of the message at point; its properties stay.
Leaves point on an empty line where its text is to stand."
  (org-back-to-heading t)
  (looking-at "\\*+[ \t]+\\S-+\\(?:[ \t]+\\[#[A-Z0-9]\\]\\)?")
  (delete-region (match-end 0) (line-end-position))
  (pcase-let ((`(,begin . ,end) (ouroboros-org--body)))
    (delete-region begin end)
    (goto-char begin)
    (ouroboros-org--room)))

(defun ouroboros-org-record (place facts)
  "Write FACTS as properties of the heading at PLACE, a marker.
FACTS is an alist; each name gets OUROBOROS_ before it, which the
server passes over."
  (when (and (marker-buffer place) (buffer-live-p (marker-buffer place)))
    (with-current-buffer (marker-buffer place)
      (save-excursion
        (save-restriction
          (widen)
          (goto-char place)
          (when (ignore-errors (org-back-to-heading t))
            (pcase-dolist (`(,name . ,value) facts)
              (when value
                (org-entry-put (point) (concat "OUROBOROS_" name) value)))))))))

(defun ouroboros-org-facts (result)
  "What to write under the lesson of RESULT."
  (let ((loss (lambda (name) (let ((value (alist-get name result))) (and (numberp value) (format "%.4f" value))))))
    `(("LOSS" . ,(funcall loss 'loss_after))
      ("LOSS_BEFORE" . ,(funcall loss 'loss_before))
      ("VERSION" . ,(format "%s" (alist-get 'version result)))
      ("DATE" . ,(format-time-string "%Y-%m-%dT%H:%M:%SZ" (alist-get 'time result) t))
      ("LESSON" . ,(alist-get 'lesson result)))))

(provide 'ouroboros-org)
;;; ouroboros-org.el ends here
