;;; ouroboros-weights-test.el --- Tests of states, checkpoints, versions and the list of lessons  -*- lexical-binding: t; -*-

;;; Code:

(require 'ouroboros-test-helper)

(defmacro ouroboros-weights-test-list (&rest body)
  "Evaluate BODY in the list of lessons, where every question is answered by yes."
  (declare (indent 0) (debug t))
  `(unwind-protect
       (save-window-excursion
         (ouroboros-lessons)
         (cl-letf (((symbol-function 'y-or-n-p) (lambda (&rest _) t)))
           ,@body))
     (kill-buffer "*ouroboros-lessons*")))

(ert-deftest ouroboros-state-is-saved-loaded-and-reset ()
  (ouroboros-test-org "* T\n** USER My cat is called Wanda.@@\n"
    (ouroboros-ask)
    (ouroboros-test-wait)
    (should (string-match-p "state cats saved: [0-9]+ tokens" (ouroboros-test-telling (ouroboros-state-save "cats"))))
    (ouroboros-state-load "cats")
    (should (alist-get 'tokens (alist-get 'infer (ouroboros-call "GET" "/state"))))
    (ouroboros-state-reset)
    (should-not (alist-get 'infer (ouroboros-call "GET" "/state")))))

(ert-deftest ouroboros-state-of-training ()
  (should (string-match-p "no training memory" (ouroboros-test-error (lambda () (ouroboros-state-save "mine" t)))))
  (should (string-match-p "training memory is empty" (ouroboros-test-telling (ouroboros-state-reset t)))))

(ert-deftest ouroboros-state-that-is-not-there ()
  (should (string-match-p "none-such" (ouroboros-test-error (lambda () (ouroboros-state-load "none-such"))))))

(ert-deftest ouroboros-names-are-checked-before-they-are-sent ()
  (cl-letf (((symbol-function 'read-string) (lambda (&rest _) "../token")))
    (should (string-match-p "small letters" (ouroboros-test-error (lambda () (call-interactively #'ouroboros-save)))))))

(ert-deftest ouroboros-a-checkpoint-is-saved-and-loaded ()
  (let ((version (ouroboros-test-version)))
    (should (string-match-p "saved as mine" (ouroboros-test-telling (ouroboros-save "mine"))))
    (ouroboros-test-teach "Ada.")
    (cl-letf (((symbol-function 'completing-read)
               (lambda (_ names &rest _) (should (member "mine" names)) "mine")))
      (call-interactively #'ouroboros-load))
    (should (equal (ouroboros-test-version) version))
    (should (equal ouroboros-status--version version))))

(ert-deftest ouroboros-rollback-goes-back ()
  (let ((version (ouroboros-test-version)))
    (ouroboros-test-teach "Bea.")
    (cl-letf (((symbol-function 'completing-read)
               (lambda (_ versions &rest _) (should (member (number-to-string version) versions)) (number-to-string version))))
      (should (string-match-p (format "the weights are version %d" version)
                              (ouroboros-test-telling (call-interactively #'ouroboros-rollback)))))
    (should (equal (ouroboros-test-version) version))))

(ert-deftest ouroboros-rollback-to-what-never-was ()
  (should (string-match-p "999999" (ouroboros-test-error (lambda () (ouroboros-rollback 999999))))))

(ert-deftest ouroboros-lessons-lists-the-newest-first-and-shows-it-whole ()
  (let ((lesson (ouroboros-test-teach "Cleo, my\nsister.")))
    (ouroboros-weights-test-list
      (should (derived-mode-p 'tabulated-list-mode))
      (should (equal (tabulated-list-get-id) (alist-get 'lesson lesson)))
      (should (equal (aref (tabulated-list-get-entry) 6) "Who is it? / Cleo, my sister."))
      (should (equal (aref (tabulated-list-get-entry) 2) (format "%.3f" (alist-get 'loss_after lesson))))
      (ouroboros-lessons-show)
      (with-current-buffer "*ouroboros-lesson*"
        (should (string-match-p (concat (alist-get 'lesson lesson) "[^z-a]*USER: Who is it\\?\n\nASSISTANT: Cleo, my
sister\\.\n[^z-a]*taught") (buffer-string)))))))

(ert-deftest ouroboros-lessons-undoes-one ()
  (let ((lesson (ouroboros-test-teach "Enid.")))
    (ouroboros-weights-test-list
      (should (string-match-p "is undone, 0 lessons were learned again" (ouroboros-test-telling (ouroboros-lessons-undo) (ouroboros-test-wait))))
      (ouroboros-test-until (lambda () (equal (aref (tabulated-list-get-entry) 5) "left"))))
    (should (eq (alist-get 'in_weights (seq-find (lambda (one) (equal (alist-get 'lesson one) (alist-get 'lesson lesson)))
                                                 (alist-get 'lessons (ouroboros-call "GET" "/lessons"))))
                :json-false))))

(ert-deftest ouroboros-lessons-goes-back-to-one ()
  (let ((version (alist-get 'version (ouroboros-test-teach "Faye."))))
    (ouroboros-test-teach "Gail.")
    (ouroboros-weights-test-list
      (forward-line)
      (should (string-match-p "1 lessons left them" (ouroboros-test-telling (ouroboros-lessons-rollback) (ouroboros-test-wait)))))
    (should (equal (ouroboros-test-version) version))))

(ert-deftest ouroboros-lessons-teaches-one-again-and-retracts-one ()
  (ouroboros-test-teach "Hope.")
  (let ((before (ouroboros-test-taught)))
    (ouroboros-weights-test-list
      (ouroboros-lessons-teach-again)
      (ouroboros-test-wait)
      (should (equal (ouroboros-test-taught) (1+ before)))
      (ouroboros-lessons-retract)
      (should (equal (aref (tabulated-list-get-entry) 5) "retracted")))))

(ert-deftest ouroboros-lessons-on-no-line ()
  (ouroboros-weights-test-list
    (goto-char (point-max))
    (should (string-match-p "no lesson on this line" (ouroboros-test-error #'ouroboros-lessons-undo)))))

(provide 'ouroboros-weights-test)
;;; ouroboros-weights-test.el ends here
