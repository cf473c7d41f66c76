;;; ouroboros-teach-test.el --- Tests of teaching subtrees, regions and files  -*- lexical-binding: t; -*-

;;; Code:

(require 'ouroboros-test-helper)

(defun ouroboros-teach-test-property (heading name)
  "The value of the property NAME of HEADING, ours, or nil."
  (save-excursion
    (goto-char (org-find-exact-headline-in-buffer heading))
    (org-entry-get (point) (concat "OUROBOROS_" name))))

(defconst ouroboros-teach-test-pets
  (concat "#+TODO: USER | ASSISTANT\n* My goat :train:\n** USER What is my goat called?\n** ASSISTANT Zita.\n\n"
          "* Left alone\n** USER Who?@@\n** ASSISTANT Nobody.\n\n"
          "* Deeper\n** My hen :train:\n*** USER What is my hen called?\n*** ASSISTANT [#B] Berta.\n")
  "Lessons, two of them marked.")

(ert-deftest ouroboros-teach-a-subtree ()
  (ouroboros-test-org ouroboros-teach-test-pets
    (let ((before (ouroboros-test-taught)))
      (ouroboros-teach)
      (ouroboros-test-wait)
      (ouroboros-test-until (lambda () (ouroboros-teach-test-property "Left alone" "LOSS")))
      (should (equal (ouroboros-teach-test-property "Left alone" "VERSION") (number-to-string (ouroboros-test-version))))
      (should (string-match-p "\\`lesson-[0-9a-f]+\\'" (ouroboros-teach-test-property "Left alone" "LESSON")))
      (should (string-match-p "\\`20[0-9][0-9]-[0-9-]+T[0-9:]+Z\\'" (ouroboros-teach-test-property "Left alone" "DATE"))))))

(ert-deftest ouroboros-teach-all-that-is-marked ()
  (ouroboros-test-org ouroboros-teach-test-pets
    (let* ((before (ouroboros-test-taught))
           (told (ouroboros-test-telling
                   (ouroboros-teach-marked)
                   (goto-char (point-min))
                   (insert "* Written meanwhile\n")
                   (ouroboros-test-wait)
                   (ouroboros-test-until (lambda () (ouroboros-teach-test-property "My hen" "LOSS"))))))
      (should (string-match-p "lesson 1 of 2, loss" told))
      (should (string-match-p "2 of 2 lessons learned" told))
      (should (equal (ouroboros-test-taught) (+ 2 before)))
      (should (equal (ouroboros-teach-test-property "My goat" "VERSION") (number-to-string (1- (ouroboros-test-version)))))
      (should (equal (ouroboros-teach-test-property "My hen" "VERSION") (number-to-string (ouroboros-test-version))))
      (should-not (ouroboros-teach-test-property "Left alone" "VERSION"))
      (should (string-match-p "\\`\\* Written meanwhile\n#\\+TODO" (buffer-string))))))

(ert-deftest ouroboros-teach-marked-needs-a-mark ()
  (ouroboros-test-org "* T@@\n** USER a\n** ASSISTANT b\n"
    (should (string-match-p "No subtree is tagged" (ouroboros-test-error #'ouroboros-teach-marked)))))

(ert-deftest ouroboros-teach-a-region-of-lessons ()
  (ouroboros-test-org ouroboros-teach-test-pets
    (let ((before (ouroboros-test-taught)))
      (goto-char (point-max))
      (push-mark (save-excursion (ouroboros-test-find "* My hen") (1- (point))) t t)
      (ouroboros-teach)
      (ouroboros-test-wait)
      (ouroboros-test-until (lambda () (ouroboros-teach-test-property "My hen" "LOSS")))
      (should (equal (ouroboros-test-taught) (1+ before))))))

(ert-deftest ouroboros-teach-a-region-as-a-text ()
  (with-temp-buffer
    (transient-mark-mode 1)
    (insert "Once upon a time there was a lamplighter.")
    (push-mark (point-min) t t)
    (let ((before (ouroboros-test-taught)))
      (ouroboros-teach)
      (ouroboros-test-wait)
      (should (equal (ouroboros-test-taught) (1+ before)))
      (should (equal (alist-get 'text (car (alist-get 'lessons (ouroboros-call "GET" "/lessons?limit=1"))))
                     "Once upon a time there was a lamplighter.")))))

(ert-deftest ouroboros-teach-outside-of-org-needs-a-region ()
  (with-temp-buffer
    (should (string-match-p "org buffer" (ouroboros-test-error #'ouroboros-teach)))))

(ert-deftest ouroboros-teach-what-teaches-nothing-is-a-sentence ()
  (ouroboros-test-org "* T@@\n** USER a\n"
    (let ((before (buffer-string)))
      (should (string-match-p "no lesson that can be taught\\|nothing" (ouroboros-test-telling (ouroboros-teach) (ouroboros-test-wait))))
      (should (equal (buffer-string) before)))))

(ert-deftest ouroboros-teach-lost-on-the-way-is-taught-once ()
  (ouroboros-test-org ouroboros-teach-test-pets
    (let ((before (ouroboros-test-taught)))
      (ouroboros-test-losing 1 "/load_data" nil
        (ouroboros-teach)
        (ouroboros-test-until (lambda () (ouroboros-teach-test-property "Left alone" "LOSS")))
        (should (equal (length requests) 2)))
      (should (equal (ouroboros-test-taught) (1+ before))))))

(ert-deftest ouroboros-teach-properties-are-options-of-the-lesson ()
  (ouroboros-test-org "* T@@\n:PROPERTIES:\n:epochs: 2\n:END:\n** USER a b\n** ASSISTANT c d\n"
    (let ((ouroboros-train-options '((replay . 0) (kl . 0))))
      (ouroboros-teach)
      (ouroboros-test-wait)
      (should (equal (alist-get 'epochs (car (alist-get 'lessons (ouroboros-call "GET" "/lessons?limit=1")))) 2)))))

(ert-deftest ouroboros-mark-and-mark-no-more ()
  (ouroboros-test-org ouroboros-teach-test-pets
    (ouroboros-mark)
    (should (equal (length (ouroboros-org-tagged "train")) 3))
    (ouroboros-mark)
    (should (equal (length (ouroboros-org-tagged "train")) 2))
    (push-mark (point-min) t t)
    (goto-char (point-max))
    (ouroboros-mark)
    (should (equal (length (ouroboros-org-tagged "train")) 3))))

(ert-deftest ouroboros-load-file-tells-what-is-in-it ()
  (let ((file (make-temp-file "Some Lessons" nil ".org" "* T\n** USER a\n** ASSISTANT b\n* Bad\n** FOO c\n")))
    (unwind-protect
        (let ((before (ouroboros-test-taught)))
          (should (string-match-p "1 lessons of [0-9]+ tokens, 1 problems" (ouroboros-test-telling (ouroboros-load-file file))))
          (should (equal (ouroboros-test-taught) before))
          (with-current-buffer "*ouroboros-problems*"
            (should (derived-mode-p 'compilation-mode))
            (should (string-match-p (concat (regexp-quote file) ":5: 'FOO' is not a role") (buffer-string)))))
      (kill-buffer (find-buffer-visiting file))
      (delete-file file))))

(ert-deftest ouroboros-load-file-teaches-all-of-it ()
  (let ((file (make-temp-file "lessons" nil ".org" "* T\n** USER a\n** ASSISTANT b\n\n* U\n** USER c\n** ASSISTANT d\n")))
    (unwind-protect
        (let ((before (ouroboros-test-taught)))
          (ouroboros-load-file file t)
          (with-current-buffer (find-buffer-visiting file)
            (ouroboros-test-wait)
            (ouroboros-test-until (lambda () (ouroboros-teach-test-property "U" "LOSS")))
            (should (equal (ouroboros-teach-test-property "U" "VERSION") (number-to-string (ouroboros-test-version))))
            (set-buffer-modified-p nil)))
      (kill-buffer (find-buffer-visiting file))
      (delete-file file))))

(ert-deftest ouroboros-load-file-of-another-form ()
  (let ((file (make-temp-file "lessons" nil ".jsonl" "{\"messages\": [{\"role\": \"user\", \"text\": \"a\"}, {\"role\": \"assistant\", \"text\": \"b\"}]}\n")))
    (unwind-protect
        (should (string-match-p "1 lessons" (ouroboros-test-telling (ouroboros-load-file file))))
      (kill-buffer (find-buffer-visiting file))
      (delete-file file))))

(ert-deftest ouroboros-teach-problems-have-the-buffer-s-lines ()
  (ouroboros-test-org "* One\n\n** T@@ :train:\n*** USER a\n*** ASSISTANT b\n* U :train:\n** FOO c\n"
    (ouroboros-teach-marked)
    (ouroboros-test-wait)
    (with-current-buffer "*ouroboros-problems*"
      (should (string-match-p "^test.org:7: 'FOO'" (buffer-string))))))

(ert-deftest ouroboros-teach-names-are-those-the-server-takes ()
  (dolist (pair '(("sft.org" . "sft.org") ("Über Katzen.org" . "ber-katzen.org") ("猫" . "lessons") (" *some*" . "some-")))
    (with-temp-buffer
      (rename-buffer (car pair) t)
      (should (equal (ouroboros-teach--name) (cdr pair))))))

(provide 'ouroboros-teach-test)
;;; ouroboros-teach-test.el ends here
