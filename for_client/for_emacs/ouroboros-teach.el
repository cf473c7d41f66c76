;;; ouroboros-teach.el --- Teach subtrees, regions and files  -*- lexical-binding: t; -*-

;; Author: RWKV-Ouroboros
;; URL: https://github.com/neromous/RWKV-Ouroboros
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; What is taught is sent as org text, so that it is the server which reads
;; priorities, tags and properties, and does so as it does with files of its
;; own.  What became of each lesson is written under its heading.

;;; Code:

(require 'cl-lib)
(require 'compile)
(require 'org)
(require 'seq)
(require 'subr-x)
(require 'ouroboros-chat)
(require 'ouroboros-http)
(require 'ouroboros-org)
(require 'ouroboros-status)

;;;###autoload
(defun ouroboros-teach ()
  "Teach the conversation around point, or what is in the active region.
A region with messages in it stands for their conversations; any
other region is a text, of which every word is learned."
  (interactive)
  (let* ((region (use-region-p))
         (roots (cond ((not (derived-mode-p 'org-mode)) nil)
                      (region (ouroboros-org-roots (region-beginning) (region-end)))
                      (t (list (ouroboros-org-root))))))
    (cond (roots (ouroboros-teach--set (ouroboros-org-gather roots)))
          (region (ouroboros-teach--text (buffer-substring-no-properties (region-beginning) (region-end))))
          (t (ouroboros-chat-assert-org)))))

;;;###autoload
(defun ouroboros-mark ()
  "Mark the conversation around point, or those in the region, with :train:.
Where all of them are marked already, take the marks away."
  (interactive)
  (ouroboros-chat-assert-org)
  (let* ((roots (if (use-region-p)
                    (ouroboros-org-roots (region-beginning) (region-end))
                  (list (ouroboros-org-root))))
         (places (mapcar (lambda (root) (copy-marker root t)) roots))
         (marked (ouroboros-org-tagged "train"))
         (onoff (if (cl-every (lambda (root) (memq root marked)) roots) 'off 'on)))
    (save-excursion
      (dolist (place places)
        (goto-char place)
        (org-toggle-tag "train" onoff)))
    (ouroboros-tell (format "%d %s" (length places) (if (eq onoff 'on) "marked" "marked no more")))))

;;;###autoload
(defun ouroboros-teach-marked ()
  "Teach all subtrees of this buffer that are tagged :train:, in one go.
Those tagged :benchmark: are measured before and after.  Loss and
version become properties of each subtree."
  (interactive)
  (ouroboros-chat-assert-org)
  (unless (ouroboros-org-tagged "train")
    (user-error "No subtree is tagged :train: here; `ouroboros-mark' does that"))
  (ouroboros-teach--set (save-restriction
                          (widen)
                          (ouroboros-org-gather (ouroboros-org-tagged "train" "benchmark")))))

;;;###autoload
(defun ouroboros-load-file (file &optional teach)
  "Have the server read FILE of lessons; with TEACH, teach it too.
Interactively, FILE is the buffer's own, if it has one, and TEACH
the prefix argument.  What could not be read is listed by line."
  (interactive (list (or buffer-file-name (read-file-name "File of lessons: " nil nil t)) current-prefix-arg))
  (with-current-buffer (find-file-noselect file)
    (let ((set (ouroboros-org-whole)))
      (if teach
          (ouroboros-teach--set set)
        (let ((result (ouroboros-call "POST" "/load_data" `((name . ,(ouroboros-teach--name)) (content . ,(car set))))))
          (ouroboros-teach--problems result nil)
          (ouroboros-tell (format "%d lessons of %d tokens, %d problems, %d lessons that are known already"
                                  (alist-get 'lessons result) (alist-get 'tokens result)
                                  (length (alist-get 'problems result)) (length (alist-get 'duplicates result)))))))))

(defun ouroboros-teach--name ()
  "A name of a dataset for this buffer.
Letters that such a name cannot have become hyphens."
  (let* ((name (downcase (if buffer-file-name (file-name-nondirectory buffer-file-name) (buffer-name))))
         (name (replace-regexp-in-string "\\`[^a-z0-9]+" "" (replace-regexp-in-string "[^a-z0-9._-]" "-" name))))
    (if (string-empty-p name) "lessons" (substring name 0 (min 64 (length name))))))

(defun ouroboros-teach--text (text)
  "Teach TEXT as it stands."
  (when (string-blank-p text)
    (user-error "The region is empty"))
  (deactivate-mark)
  (ouroboros-status-send "/train" `((text . ,text) (train_on . "all") (stream . t)
                                    (idempotency_key . ,(ouroboros-key)) ,@ouroboros-train-options)
                         :done (lambda (result) (ouroboros-tell (ouroboros-chat-learned result)))))

(defun ouroboros-teach--set (set)
  "Teach SET, (CONTENT . PLACES), and write down what became of it.
PLACES has a marker for the line that each lesson begins at."
  (deactivate-mark)
  (ouroboros-status-send
   "/load_data"
   `((name . ,(ouroboros-teach--name)) (content . ,(car set)) (train . t) (stream . t)
     (idempotency_key . ,(ouroboros-key)) ,@ouroboros-train-options)
   :event (lambda (event)
            (when (alist-get 'line event)
              (ouroboros-tell (format "lesson %s of %s, loss %s" (alist-get 'step event) (alist-get 'steps event)
                                      (let ((loss (alist-get 'loss event))) (if (numberp loss) (format "%.2f" loss) "-"))))))
   :done (lambda (result)
           (ouroboros-teach--record result (cdr set))
           (ouroboros-teach--problems result (cdr set))
           (ouroboros-tell (format "%s of %s lessons learned. %s" (or (alist-get 'learned_lessons result) 0)
                                   (alist-get 'lessons result) (ouroboros-chat-learned result))))))

(defun ouroboros-teach--record (result places)
  "Write under the headings at PLACES what the run of RESULT taught."
  (when (and places (alist-get 'run result))
    (ouroboros-send
     "GET" (format "/lessons?limit=%d" (min 10000 (* 2 (+ 50 (length places)))) )
     nil
     :done (lambda (answer)
             (dolist (lesson (alist-get 'lessons answer))
               (let ((place (cdr (assoc (alist-get 'line lesson) places))))
                 (when (and place (equal (alist-get 'run lesson) (alist-get 'run result)))
                   (ouroboros-org-record place (ouroboros-org-facts lesson)))))))))

(defun ouroboros-teach--problems (result places)
  "List what could not be read or learned, if RESULT has such.
With PLACES, its lines are those of a text sent, which began there."
  (let ((problems (append (mapcar (lambda (problem) (cons (alist-get 'line problem) (alist-get 'message problem)))
                                  (alist-get 'problems result))
                          (mapcar (lambda (refusal) (cons (alist-get 'line refusal) (alist-get 'reason refusal)))
                                  (alist-get 'refused result))))
        (file (or buffer-file-name (buffer-name))))
    (when problems
      (with-current-buffer (get-buffer-create "*ouroboros-problems*")
        (let ((inhibit-read-only t))
          (erase-buffer)
          (insert "What could not be read or learned\n\n")
          (pcase-dolist (`(,line . ,sentence) problems)
            (insert (format "%s:%s: %s\n" file (ouroboros-teach--line (or line 1) places) sentence)))
          (compilation-mode)
          (goto-char (point-min)))
        (display-buffer (current-buffer))))))

(defun ouroboros-teach--line (line places)
  "The line of the buffer that LINE of a text sent was.
PLACES has the lines of that text at which subtrees of the buffer begin."
  (let ((above (car (sort (seq-filter (lambda (place) (<= (car place) line)) places)
                          (lambda (a b) (> (car a) (car b)))))))
    (if (null above)
        line
      (with-current-buffer (marker-buffer (cdr above))
        (+ (line-number-at-pos (cdr above) t) (- line (car above)))))))

(provide 'ouroboros-teach)
;;; ouroboros-teach.el ends here
