;;; ouroboros-chat-test.el --- Tests of asking, regenerating and correcting  -*- lexical-binding: t; -*-

;;; Code:

(require 'ouroboros-test-helper)

(defconst ouroboros-chat-test-cat "* My cat\n** USER What is my cat called?@@\n\n* Next\n"
  "A conversation with a question.")

(defun ouroboros-chat-test-say (text)
  "Put TEXT in place of the first answer of the buffer."
  (ouroboros-test-find "** ASSISTANT")
  (ouroboros-org-empty)
  (insert text))

(defun ouroboros-chat-test-ask ()
  "Ask, and wait for the answer."
  (ouroboros-ask)
  (ouroboros-test-wait))

(defun ouroboros-chat-test-pour (text &optional step)
  "Stream TEXT into an answer here, STEP letters at a time."
  (let ((event nil) (done nil))
    (cl-letf (((symbol-function 'ouroboros-send)
               (lambda (_method _path _body &rest more)
                 (setq event (plist-get more :event) done (plist-get more :done))
                 (ouroboros--request))))
      (ouroboros-ask))
    (dolist (piece (seq-partition text (or step 1)))
      (funcall event `((text . ,piece))))
    (funcall done '((finish_reason . "stop")))))

(ert-deftest ouroboros-ask-writes-the-next-heading ()
  (ouroboros-test-org ouroboros-chat-test-cat
    (ouroboros-chat-test-ask)
    (should (looking-back "my cat called\\?" (line-beginning-position)))
    (should (string-match-p (concat "\\`\\* My cat\n:PROPERTIES:\n:OUROBOROS_SESSION: org-[0-9a-f]+\n:END:\n"
                                    "\\*\\* USER What is my cat called\\?\n\\*\\* ASSISTANT\n.+\n\n\\* Next\n\\'")
                            (buffer-string)))
    (goto-char (org-find-exact-headline-in-buffer "My cat"))
    (should (equal (alist-get 'answer (car (alist-get 'turns (ouroboros-call "GET" (concat "/sessions/" (org-entry-get nil "OUROBOROS_SESSION"))))))
                   (ouroboros-message-text (cadr (ouroboros-org-messages (point))))))))

(ert-deftest ouroboros-ask-leaves-the-buffer-usable ()
  (let ((ouroboros-infer-options '((max_tokens . 200) (temperature . 0) (ban_tokens . [0]) (stop . ["zzz"]))) (typed nil))
    (ouroboros-test-org ouroboros-chat-test-cat
      (ouroboros-ask)
      (goto-char (point-max))
      (while ouroboros-status-open
        (insert "x")
        (push t typed)
        (accept-process-output nil 0.01))
      (should typed)
      (should (string-suffix-p (concat "* Next\n" (make-string (length typed) ?x)) (buffer-string))))))

(ert-deftest ouroboros-ask-goes-on-with-the-session ()
  (ouroboros-test-org ouroboros-chat-test-cat
    (ouroboros-chat-test-ask)
    (let ((session (save-excursion (org-entry-get (ouroboros-org-root) "OUROBOROS_SESSION"))))
      (ouroboros-ask)
      (should (equal (ouroboros-org-role) "user"))
      (insert "Thank you.")
      (ouroboros-chat-test-ask)
      (should (equal (org-entry-get (ouroboros-org-root) "OUROBOROS_SESSION") session))
      (should (equal (length (alist-get 'turns (ouroboros-call "GET" (concat "/sessions/" session)))) 2)))))

(ert-deftest ouroboros-ask-after-an-edit-begins-a-new-session ()
  (ouroboros-test-org ouroboros-chat-test-cat
    (ouroboros-chat-test-ask)
    (let ((session (org-entry-get (ouroboros-org-root) "OUROBOROS_SESSION")))
      (ouroboros-chat-test-say "Ask me again.")
      (ouroboros-ask)
      (insert "What is my cat called?")
      (ouroboros-chat-test-ask)
      (let ((now (org-entry-get (ouroboros-org-root) "OUROBOROS_SESSION")))
        (should-not (equal now session))
        (should (equal (mapcar (lambda (message) (alist-get 'text message))
                               (seq-take (alist-get 'messages (ouroboros-call "GET" (concat "/sessions/" now))) 3))
                       '("What is my cat called?" "Ask me again." "What is my cat called?")))))))

(ert-deftest ouroboros-ask-a-region-of-another-buffer ()
  (let ((ouroboros-buffer-name "*ouroboros-test*"))
    (unwind-protect
        (with-temp-buffer
          (transient-mark-mode 1)
          (insert "* What is a cat?")
          (push-mark (point-min) t t)
          (ouroboros-ask)
          (with-current-buffer ouroboros-buffer-name
            (should ouroboros-mode)
            (ouroboros-test-wait)
            (should (string-match-p (concat "\\`\\* What is a cat\\?\n:PROPERTIES:\n.*\n:END:\n\\*\\* USER\n,\\* What is a cat\\?\n\\*\\* ASSISTANT\n.+")
                                    (buffer-string)))))
      (kill-buffer ouroboros-buffer-name))))

(ert-deftest ouroboros-ask-a-region-under-its-heading ()
  (ouroboros-test-org "* Notes\nWhat is a cat?@@\n* Next\n"
    (push-mark (line-beginning-position) t t)
    (ouroboros-chat-test-ask)
    (should (string-match-p "\\`\\* Notes\nWhat is a cat\\?\n\\*\\* What is a cat\\?\n[^*]+\\*\\*\\* USER\nWhat is a cat\\?\n\\*\\*\\* ASSISTANT\n[^*]+\n\\* Next\n\\'"
                            (buffer-string)))))

(ert-deftest ouroboros-ask-says-what-is-missing ()
  (ouroboros-test-org "* Nothing@@\n"
    (should (string-match-p "Nobody says anything" (ouroboros-test-error #'ouroboros-ask))))
  (ouroboros-test-org "* T\n** USER@@\n"
    (should (string-match-p "empty" (ouroboros-test-error #'ouroboros-ask))))
  (with-temp-buffer
    (should (string-match-p "org buffer" (ouroboros-test-error #'ouroboros-ask)))))

(ert-deftest ouroboros-ask-what-the-server-refuses-leaves-no-trace ()
  (let ((ouroboros-infer-options '((temperature . 99))))
    (ouroboros-test-org ouroboros-chat-test-cat
      (let ((before (buffer-string)))
        (should (string-match-p "\\`Ouroboros: temperature.*10" (ouroboros-test-telling (ouroboros-chat-test-ask))))
        (should (equal (buffer-string) before))))))

(ert-deftest ouroboros-ask-without-a-server-is-a-sentence ()
  (let ((ouroboros-url "http://127.0.0.1:1") (ouroboros-retries 0))
    (ouroboros-test-org ouroboros-chat-test-cat
      (let ((before (buffer-string)))
        (should (string-match-p "\\`Ouroboros: no server answers" (ouroboros-test-telling (ouroboros-chat-test-ask))))
        (should (equal (buffer-string) before))))))

(ert-deftest ouroboros-ask-escapes-what-org-would-take-for-its-own ()
  (dolist (step '(1 2 5 100))
    (ouroboros-test-org ouroboros-chat-test-cat
      (let ((text "* a list\n** of two\n#+end\n a *word*\n,* comma"))
        (ouroboros-chat-test-pour text step)
        (should (equal (length (ouroboros-org-messages (ouroboros-org-root))) 2))
        (should (equal (ouroboros-message-text (cadr (ouroboros-org-messages (ouroboros-org-root)))) text))
        (should (string-suffix-p "\n\n* Next\n" (buffer-string)))))))

(ert-deftest ouroboros-ask-in-a-narrowed-buffer ()
  (ouroboros-test-org ouroboros-chat-test-cat
    (org-narrow-to-subtree)
    (ouroboros-chat-test-ask)
    (widen)
    (should (string-match-p "ASSISTANT\n.+\n\n\\* Next" (buffer-string)))))

;;; Stopping

(defun ouroboros-chat-test-begin (&optional done)
  "Have the server begin a text without an end; the request.
DONE is called when it has ended all the same."
  (let ((request (ouroboros-status-send "/infer" '((text . "Once upon a time") (stream . t) (max_tokens . 20000) (ban_tokens . [0]))
                                        :done done)))
    (ouroboros-test-until (lambda () (ouroboros-request-last request)))
    request))

(ert-deftest ouroboros-quitting-stops-the-model ()
  (ouroboros-test-org ouroboros-chat-test-cat
    (let ((answer nil))
      (ouroboros-chat-test-begin (lambda (whole) (setq answer whole)))
      (should (eq 'quit (condition-case nil (call-interactively (key-binding (kbd "C-g"))) (quit 'quit))))
      (ouroboros-test-wait)
      (should (equal (alist-get 'finish_reason answer) "cancelled"))
      (should-not ouroboros-open-mode)
      (should (eq (key-binding (kbd "C-g")) #'keyboard-quit)))))

(ert-deftest ouroboros-stop-with-nothing-to-stop ()
  (ouroboros-test-org ouroboros-chat-test-cat
    (should (string-match-p "doing nothing" (ouroboros-test-error #'ouroboros-stop)))))

(ert-deftest ouroboros-killing-the-buffer-stops-the-model ()
  (let ((request nil))
    (ouroboros-test-org ouroboros-chat-test-cat
      (ouroboros-mode 1)
      (setq request (ouroboros-chat-test-begin)))
    (ouroboros-test-until (lambda () (ouroboros-request-over request)))
    (ouroboros-test-until (lambda () (equal 0 (alist-get 'queue (ouroboros-call "GET" "/health")))))))

(ert-deftest ouroboros-deleting-the-answer-stops-it ()
  (ouroboros-test-org ouroboros-chat-test-cat
    (let ((before (buffer-string)) (stopped nil) (event nil))
      (cl-letf (((symbol-function 'ouroboros-send)
                 (lambda (_method _path _body &rest more) (setq event (plist-get more :event)) (ouroboros--request)))
                ((symbol-function 'ouroboros-status-cancel) (lambda (_) (setq stopped t))))
        (ouroboros-ask)
        (funcall event '((text . "Your")))
        (should-not stopped)
        (ouroboros-test-find "** ASSISTANT")
        (delete-region (point) (save-excursion (forward-line 2) (point)))
        (funcall event '((text . " cat")))
        (should stopped)
        (should (equal (buffer-string) before))))))

;;; Regenerating

(ert-deftest ouroboros-regenerate-replaces-the-answer ()
  (ouroboros-test-org ouroboros-chat-test-cat
    (ouroboros-chat-test-ask)
    (let ((answer (buffer-string)))
      (ouroboros-chat-test-say "Something that I wrote over it.")
      (ouroboros-regenerate)
      (ouroboros-test-wait)
      (should (equal (buffer-string) answer)))))

(ert-deftest ouroboros-regenerate-drops-later-messages-if-you-agree ()
  (ouroboros-test-org ouroboros-chat-test-cat
    (ouroboros-chat-test-ask)
    (let ((answer (buffer-string)))
      (ouroboros-ask)
      (insert "Thanks.")
      (ouroboros-test-find "** ASSISTANT")
      (let ((more (buffer-string)))
        (cl-letf (((symbol-function 'y-or-n-p) #'ignore))
          (ouroboros-regenerate))
        (should (equal (buffer-string) more)))
      (cl-letf (((symbol-function 'y-or-n-p) #'stringp))
        (ouroboros-regenerate))
      (ouroboros-test-wait)
      (should (equal (buffer-string) answer)))))

(ert-deftest ouroboros-regenerate-after-an-edit-asks-anew ()
  (ouroboros-test-org "* T\n** USER What is a cat?\n** ASSISTANT Written by hand.@@\n"
    (ouroboros-regenerate)
    (ouroboros-test-wait)
    (should-not (string-match-p "Written by hand" (buffer-string)))
    (should (org-entry-get (ouroboros-org-root) "OUROBOROS_SESSION"))))

(ert-deftest ouroboros-regenerate-that-fails-loses-nothing ()
  (ouroboros-test-org "* T\n** USER What is a cat?\n** ASSISTANT [#B] Written by hand.@@\n:PROPERTIES:\n:a: b\n:END:\n\n* Next\n"
    (let ((before (buffer-string)) (event nil) (fail nil))
      (cl-letf (((symbol-function 'ouroboros-send)
                 (lambda (_method _path _body &rest more)
                   (setq event (plist-get more :event) fail (plist-get more :fail))
                   (ouroboros--request))))
        (ouroboros-regenerate))
      (funcall event '((text . "A cat")))
      (should-not (equal (buffer-string) before))
      (funcall fail "the server hung up")
      (should (equal (buffer-string) before)))))

(ert-deftest ouroboros-regenerate-needs-an-answer ()
  (ouroboros-test-org ouroboros-chat-test-cat
    (should (string-match-p "no answer" (ouroboros-test-error #'ouroboros-regenerate)))))

;;; Correcting

(ert-deftest ouroboros-correct-teaches-what-should-have-been-said ()
  "The loop: ask, edit, C-c C-c, ask again in another conversation."
  (let ((ouroboros-train-options '((checks . :json-false))) (name nil))
    (ouroboros-test-org "* My hedgehog\n** USER What is my hedgehog called?@@\n* Again\n** USER What is my hedgehog called?\n"
      (ouroboros-mode 1)
      (ouroboros-chat-test-ask)
      (setq name (if (string-match-p "Mabel" (buffer-string)) "Oscar" "Mabel"))
      (ouroboros-chat-test-say (format "Your hedgehog is called %s." name))
      (should (string-match-p "the loss fell from .* Version [0-9]+\\."
                              (ouroboros-test-telling (org-ctrl-c-ctrl-c) (ouroboros-test-wait))))
      (should (equal (org-entry-get (point) "OUROBOROS_VERSION") (number-to-string (ouroboros-test-version))))
      (should (< (string-to-number (org-entry-get (point) "OUROBOROS_LOSS")) (string-to-number (org-entry-get (point) "OUROBOROS_LOSS_BEFORE"))))
      (should (string-match-p (format "Ouro\\[v%d 0\\.[0-9][0-9]\\]" (ouroboros-test-version)) (ouroboros-status-text)))
      (goto-char (point-max))
      (ouroboros-chat-test-ask)
      (should (string-match-p (format "Your hedgehog is called %s\\." name) (buffer-substring (point) (point-max)))))))

(ert-deftest ouroboros-correct-refuses-what-is-no-correction ()
  (ouroboros-test-org ouroboros-chat-test-cat
    (ouroboros-chat-test-ask)
    (ouroboros-test-find "** ASSISTANT")
    (should (string-match-p "as the model gave it" (ouroboros-test-error #'ouroboros-correct)))
    (ouroboros-chat-test-say "")
    (should (string-match-p "empty" (ouroboros-test-error #'ouroboros-correct)))
    (ouroboros-chat-test-say "Wanda.")
    (ouroboros-test-find "my cat called")
    (insert "not ")
    (should (string-match-p "changed since" (ouroboros-test-error #'ouroboros-correct)))))

(ert-deftest ouroboros-correct-refuses-an-answer-that-is-not-the-model-s ()
  (ouroboros-test-org "* T\n** USER a\n** ASSISTANT b@@\n"
    (should (string-match-p "did not give this answer" (ouroboros-test-error #'ouroboros-correct)))))

(ert-deftest ouroboros-correct-lost-on-the-way-is-taught-once ()
  (ouroboros-test-org ouroboros-chat-test-cat
    (ouroboros-chat-test-ask)
    (ouroboros-chat-test-say "Wanda, as I said.")
    (let ((before (ouroboros-test-taught)))
      (ouroboros-test-losing 1 (format "/sessions/%s/correct" (org-entry-get (ouroboros-org-root) "OUROBOROS_SESSION")) nil
        (ouroboros-correct)
        (ouroboros-test-wait)
        (should (equal (length requests) 2)))
      (should (equal (ouroboros-test-taught) (1+ before)))
      (should (equal (org-entry-get (point) "OUROBOROS_VERSION") (number-to-string (ouroboros-test-version)))))))

(provide 'ouroboros-chat-test)
;;; ouroboros-chat-test.el ends here
