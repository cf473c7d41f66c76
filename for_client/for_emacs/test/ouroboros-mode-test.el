;;; ouroboros-mode-test.el --- Tests of the mode, its keys, its menu and the package  -*- lexical-binding: t; -*-

;;; Code:

(require 'checkdoc)
(require 'ouroboros-test-helper)

(defconst ouroboros-mode-test-folder (file-name-directory (locate-library "ouroboros.el"))
  "Where the package is.")

(defun ouroboros-mode-test-files ()
  "The files of the package."
  (directory-files ouroboros-mode-test-folder t "\\`ouroboros.*\\.el\\'"))

(ert-deftest ouroboros-mode-line-hears-who-else-teaches ()
  (ouroboros-test-org "* T@@\n"
    (ouroboros-mode 1)
    (ouroboros-test-until (lambda () ouroboros-status--version))
    (let ((result (ouroboros-test-teach "In the mode line.")))
      (ouroboros-test-until (lambda () (equal ouroboros-status--version (alist-get 'version result))))
      (should (equal (ouroboros-status-text) (format " Ouro[v%d %.2f]" (alist-get 'version result) (alist-get 'loss_after result))))
      (ouroboros-call "POST" "/rollback" `((version . ,(1- (alist-get 'version result)))))
      (ouroboros-test-until (lambda () (< ouroboros-status--version (alist-get 'version result)))))
    (should (equal (assq 'ouroboros-mode minor-mode-alist) '(ouroboros-mode (:eval (ouroboros-status-text)))))))

(ert-deftest ouroboros-mode-line-shows-steps-and-what-is-on-its-way ()
  (let ((ouroboros-status--version 3) (ouroboros-status--loss 0.5) (ouroboros-status--step nil) (ouroboros-status-open '(t)))
    (should (equal (ouroboros-status-text) " Ouro[v3 0.50 ...]"))
    (ouroboros-status--hear '((event . "step") (step . 2) (steps . 20) (loss . 1.25)))
    (should (equal (ouroboros-status-text) " Ouro[v3 2/20 1.25 ...]"))))

(ert-deftest ouroboros-mode-off-hears-nobody ()
  (ouroboros-test-org "* T@@\n"
    (ouroboros-mode 1)
    (ouroboros-test-until (lambda () ouroboros-status--version))
    (ouroboros-mode -1)
    (should-not ouroboros-status--heard)
    (should (equal (ouroboros-status-text) " Ouro[off]"))))

(ert-deftest ouroboros-mode-has-a-key-for-every-command ()
  (ouroboros-test-org "* T@@\n"
    (ouroboros-mode 1)
    (dolist (group ouroboros-commands)
      (dolist (command (cdr group))
        (should (eq (key-binding (kbd (concat "C-c _ " (car command)))) (nth 2 command)))
        (should (commandp (nth 2 command)))))
    (should (eq (key-binding (kbd "C-c _ ?")) #'ouroboros-menu))))

(ert-deftest ouroboros-mode-prefix-can-be-changed ()
  (unwind-protect
      (progn
        (customize-set-variable 'ouroboros-prefix "C-c (")
        (should (eq (lookup-key ouroboros-mode-map (kbd "C-c ( a")) #'ouroboros-ask))
        (should-not (commandp (lookup-key ouroboros-mode-map (kbd "C-c _ a")))))
    (customize-set-variable 'ouroboros-prefix "C-c _")))

(ert-deftest ouroboros-mode-leaves-org-s-keys-alone ()
  (with-temp-buffer
    (org-mode)
    (should-not (key-binding (kbd ouroboros-prefix)))
    (insert "* T\n** USER a\nplain text")
    (ouroboros-mode 1)
    (should-not (ouroboros--correct-here))))

(ert-deftest ouroboros-menu-is-a-transient-where-there-is-one ()
  (should (eq (and (require 'transient nil t) t) (fboundp 'ouroboros-transient)))
  (let ((chosen nil))
    (cl-letf (((symbol-function 'ouroboros-transient) nil)
              ((symbol-function 'read-char-choice) (lambda (prompt chars)
                                                     (should (string-match-p "a Ask, r Regenerate" prompt))
                                                     (car (memq ?l chars))))
              ((symbol-function 'ouroboros-lessons) (lambda () (interactive) (setq chosen t))))
      (ouroboros-menu))
    (should chosen)))

(ert-deftest ouroboros-readme-has-every-command-and-option ()
  (let ((readme (with-temp-buffer
                  (insert-file-contents (expand-file-name "README.md" ouroboros-mode-test-folder))
                  (buffer-string)))
        (missing nil))
    (mapatoms (lambda (symbol)
                (when (and (string-prefix-p "ouroboros-" (symbol-name symbol))
                           (not (string-match-p "--\\|-test" (symbol-name symbol)))
                           (or (custom-variable-p symbol)
                               (and (commandp symbol) (symbol-file symbol 'defun)))
                           (not (memq symbol '(ouroboros-open-mode ouroboros-quit ouroboros-transient ouroboros-lessons-mode
                                                                   ouroboros-mode-hook ouroboros-open-mode-hook ouroboros-lessons-mode-hook))))
                  (unless (string-match-p (format "`%s`" (regexp-quote (symbol-name symbol))) readme)
                    (push symbol missing)))))
    (should-not missing)))

(ert-deftest ouroboros-package-compiles-without-a-warning ()
  (let ((folder (make-temp-file "elc" t)) (faults nil))
    (unwind-protect
        (let ((byte-compile-error-on-warn t)
              (byte-compile-dest-file-function (lambda (file) (expand-file-name (concat (file-name-nondirectory file) "c") folder))))
          (cl-letf (((symbol-function 'message) (lambda (form &rest args) (when (and form (string-match-p "Error\\|Warning" form)) (push (apply #'format form args) faults)))))
            (dolist (file (ouroboros-mode-test-files))
              (unless (byte-compile-file file)
                (push file faults)))))
      (delete-directory folder t))
    (should-not faults)))

(ert-deftest ouroboros-package-has-checkdoc-s-blessing ()
  (let ((faults nil) (checkdoc-arguments-in-order-flag nil) (sentence-end-double-space t))
    (dolist (file (ouroboros-mode-test-files))
      (with-temp-buffer
        (insert-file-contents file)
        (setq buffer-file-name file)
        (emacs-lisp-mode)
        (let ((checkdoc-create-error-function (lambda (text start _end &optional _unfixable)
                                                (push (format "%s:%d: %s" file (count-lines 1 (or start 1)) text) faults)
                                                nil)))
          (checkdoc-current-buffer t))
        (set-buffer-modified-p nil)
        (setq buffer-file-name nil)))
    (should-not faults)))

(ert-deftest ouroboros-package-files-are-small ()
  (dolist (file (ouroboros-mode-test-files))
    (with-temp-buffer
      (insert-file-contents file)
      (should (< (count-lines (point-min) (point-max)) 400)))))

(provide 'ouroboros-mode-test)
;;; ouroboros-mode-test.el ends here
