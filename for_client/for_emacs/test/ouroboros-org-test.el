;;; ouroboros-org-test.el --- Tests of reading and writing org  -*- lexical-binding: t; -*-

;;; Commentary:

;; What is read is held against the server's own reading of the same text.

;;; Code:

(require 'ouroboros-test-helper)

(defun ouroboros-org-test-said (root)
  "The conversation at ROOT as (ROLE . TEXT) pairs."
  (mapcar (lambda (message) (cons (ouroboros-message-role message) (ouroboros-message-text message)))
          (ouroboros-org-messages root)))

(ert-deftest ouroboros-org-reads-headings-as-messages ()
  (ouroboros-test-org "* My cat\n** USER What is@@ my cat called?\n** ASSISTANT\nYour cat is called Wanda.\n* Else\n** USER no\n"
    (should (equal (ouroboros-org-test-said (ouroboros-org-root))
                   '(("user" . "What is my cat called?") ("assistant" . "Your cat is called Wanda."))))))

(ert-deftest ouroboros-org-takes-priority-tags-and-drawers-off ()
  (ouroboros-test-org "* T\n** USER [#B] Hello there :no_loss:\n:PROPERTIES:\n:a: b\n:END:\n** ASSISTANT [#A] label :x:\n:LOGBOOK:\n- note\n:END:\n\nHi.\n# a comment\n\n@@"
    (should (equal (ouroboros-org-test-said (ouroboros-org-root)) '(("user" . "Hello there") ("assistant" . "Hi."))))))

(ert-deftest ouroboros-org-undoes-indent-and-commas ()
  (ouroboros-test-org "* T\n** USER\n   Say:\n   ,* star\n     deeper\n@@"
    (should (equal (ouroboros-org-test-said (ouroboros-org-root)) '(("user" . "Say:\n* star\n  deeper"))))))

(ert-deftest ouroboros-org-a-message-may-be-the-root ()
  (ouroboros-test-org "* USER Is a whale a fish?\n** ASSISTANT No.@@\n* USER Another\n"
    (should (equal (ouroboros-org-root) 1))
    (should (equal (length (ouroboros-org-messages 1)) 2))))

(ert-deftest ouroboros-org-a-title-is-no-role ()
  (ouroboros-test-org "* System requirements@@\n** USER Which?\n"
    (should-not (ouroboros-org-role))
    (should (equal (ouroboros-org-test-said 1) '(("user" . "Which?"))))))

(ert-deftest ouroboros-org-messages-may-be-nested ()
  (ouroboros-test-org "* T\n** USER one\n*** ASSISTANT two\n**** USER three@@\n"
    (should (equal (ouroboros-org-root) 1))
    (should (equal (mapcar #'cdr (ouroboros-org-test-said 1)) '("one" "two" "three")))))

(ert-deftest ouroboros-org-another-subtree-is-another-conversation ()
  (ouroboros-test-org "* T@@\n** USER one\n** Else\n*** USER two\n"
    (should (equal (mapcar #'cdr (ouroboros-org-test-said 1)) '("one")))))

(ert-deftest ouroboros-org-outside-of-a-heading-is-one-sentence ()
  (ouroboros-test-org "no heading@@\n"
    (should (string-match-p "no heading here" (ouroboros-test-error #'ouroboros-org-root)))))

(ert-deftest ouroboros-org-reads-as-the-server-does ()
  "Taught by our reading, then by the server's own: to it both are the same lesson."
  (ouroboros-test-org (concat "* Odd forms\n** SYSTEM Be brief. :tag:\n** USER [#A]\n  What is\n    a *heron*?\n  ,* not a heading\n"
                              "# not said\n\n** assistant label\n:PROPERTIES:\n:ID: x\n:END:\n| a | b |\n,#+begin_src\n# Title\ntext\n# gone@@\n")
    (let* ((root (ouroboros-org-root))
           (whole (ouroboros-org-gather (list root)))
           (mine (ouroboros-org-body-of (ouroboros-org-messages root))))
      (ouroboros-call "POST" "/train" `((messages . ,mine) ,@ouroboros-train-options))
      (let ((duplicates (alist-get 'duplicates (ouroboros-call "POST" "/load_data" `((name . "odd.org") (content . ,(car whole)))))))
        (should (equal (mapcar (lambda (one) (alist-get 'kind one)) duplicates) '("exact")))))))

(ert-deftest ouroboros-org-gathers-subtrees-of-any-level ()
  (ouroboros-test-org "#+TODO: USER | ASSISTANT\n#+PROPERTY: until_loss 0.2\n* A\n** B :train:\n*** USER b\n*** ASSISTANT bb\n* C :train:\n** USER c\n** ASSISTANT cc\n"
    (pcase-let ((`(,content . ,places) (ouroboros-org-gather (ouroboros-org-tagged "train"))))
      (should (equal content (concat "#+TODO: USER | ASSISTANT\n#+PROPERTY: until_loss 0.2\n* B :train:\n** USER b\n** ASSISTANT bb\n"
                                     "* C :train:\n** USER c\n** ASSISTANT cc\n")))
      (should (equal (sort (mapcar #'car places) #'<) '(3 6)))
      (should (equal (mapcar (lambda (line) (marker-position (cdr (assoc line places)))) '(3 6)) (ouroboros-org-tagged "train"))))))

(ert-deftest ouroboros-org-the-whole-has-a-place-for-each-lesson ()
  (ouroboros-test-org "* A\n** USER a\n\n* B\n** USER b\n"
    (should (equal (mapcar #'car (cdr (ouroboros-org-whole))) '(1 4)))))

(ert-deftest ouroboros-org-appends-on-the-level-of-the-messages ()
  (ouroboros-test-org "* A\n** T@@\n*** USER a\n\n* B\n"
    (save-excursion (ouroboros-org-append (ouroboros-org-root) "assistant") (insert "text"))
    (should (equal (buffer-string) "* A\n** T\n*** USER a\n*** ASSISTANT\ntext\n\n* B\n"))))

(ert-deftest ouroboros-org-empties-a-message-and-nothing-else ()
  (ouroboros-test-org "* T\n** ASSISTANT [#B] inline@@\n:PROPERTIES:\n:a: b\n:END:\nbody\nmore\n\n* Next\n"
    (ouroboros-org-empty)
    (insert "new")
    (should (equal (buffer-string) "* T\n** ASSISTANT [#B]\n:PROPERTIES:\n:a: b\n:END:\nnew\n\n* Next\n"))))

(ert-deftest ouroboros-org-records-facts-where-the-heading-went ()
  (ouroboros-test-org "* T@@\n** USER a\n"
    (let ((place (copy-marker (ouroboros-org-root) t)))
      (goto-char (point-min))
      (insert "* Before\n")
      (ouroboros-org-record place '(("LOSS" . "0.5") ("LESSON" . nil)))
      (should (equal (buffer-string) "* Before\n* T\n:PROPERTIES:\n:OUROBOROS_LOSS: 0.5\n:END:\n** USER a\n")))))

(provide 'ouroboros-org-test)
;;; ouroboros-org-test.el ends here
