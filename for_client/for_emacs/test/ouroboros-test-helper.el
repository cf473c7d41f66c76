;;; ouroboros-test-helper.el --- What the tests have in common  -*- lexical-binding: t; -*-

;;; Commentary:

;; The server is the real one, with the embedded model.  Its address is in
;; OUROBOROS_URL and its token in OUROBOROS_TOKEN:
;;
;;     OUROBOROS_URL=... OUROBOROS_TOKEN=... emacs -Q --batch -L . -L test -l test/ouroboros-tests.el -f ert-run-tests-batch-and-exit

;;; Code:

(require 'cl-lib)
(require 'ert)
(require 'ouroboros)

(setq ouroboros-infer-options '((temperature . 0) (max_tokens . 40))
      ouroboros-train-options '((epochs . 1) (replay . 0) (kl . 0) (checks . :json-false))
      auth-sources nil
      org-tags-column 0
      org-adapt-indentation nil)

(defvar ouroboros-test-told nil "What was shown in the echo area, the newest first.")

(defun ouroboros-test-until (condition)
  "Wait until CONDITION returns non-nil, and return that; fail after a minute."
  (let ((end (+ (float-time) 60)) (value nil))
    (while (not (or (setq value (funcall condition)) (> (float-time) end)))
      (accept-process-output nil 0.01))
    (or value (ert-fail "waited a minute for nothing"))))

(defun ouroboros-test-wait ()
  "Wait until nothing is on its way for this buffer."
  (ouroboros-test-until (lambda () (not ouroboros-status-open))))

(defmacro ouroboros-test-org (text &rest body)
  "Evaluate BODY in an org buffer with TEXT, point where @@ stands."
  (declare (indent 1) (debug t))
  `(let ((buffer (generate-new-buffer "test.org")))
     (unwind-protect
         (with-current-buffer buffer
           (insert ,text)
           (org-mode)
           (transient-mark-mode 1)
           (goto-char (point-min))
           (when (search-forward "@@" nil t)
             (replace-match ""))
           ,@body)
       (kill-buffer buffer))))

(defmacro ouroboros-test-telling (&rest body)
  "Evaluate BODY, and return all that was shown meanwhile, in order."
  (declare (indent 0) (debug t))
  `(let ((told nil))
     (cl-letf (((symbol-function 'message) (lambda (form &rest args) (when form (push (apply #'format form args) told)))))
       ,@body)
     (string-join (reverse told) "\n")))

(defun ouroboros-test-find (text)
  "Go to where TEXT begins in the buffer."
  (goto-char (point-min))
  (search-forward text)
  (goto-char (match-beginning 0)))

(defun ouroboros-test-version ()
  "The version of the server's weights."
  (alist-get 'version (ouroboros-call "GET" "/health")))

(defun ouroboros-test-taught ()
  "How many lessons the server has learned since its beginning."
  (length (alist-get 'lessons (ouroboros-call "GET" "/lessons?limit=10000"))))

(defun ouroboros-test-teach (answer &rest more)
  "Teach ANSWER in one step, with the fields MORE; the lesson."
  (ouroboros-call "POST" "/train" `((messages . [((role . "user") (text . "Who is it?")) ((role . "assistant") (text . ,answer))])
                                    ,@more ,@ouroboros-train-options)))

(defun ouroboros-test-error (function)
  "The sentence of the `user-error' that FUNCTION signals."
  (cadr (should-error (funcall function) :type 'user-error)))

;;; A server between, that loses what it is told to

(defvar ouroboros-test-between nil "The listening process of `ouroboros-test-losing'.")

(defmacro ouroboros-test-losing (count path answer &rest body)
  "Evaluate BODY with a server between that loses COUNT answers.
They are those to requests for PATH.  ANSWER is a text to give
instead, or nil: then the request is handed on, and the connection
closed once the server has done what it asks.  The variable
`requests' has the requests for PATH, the newest first."
  (declare (indent 3) (debug t))
  `(let* ((requests nil) (left ,count) (target (url-generic-parse-url ouroboros-url))
          (between
           (make-network-process
            :name "between" :server t :host "127.0.0.1" :service t :family 'ipv4 :coding 'binary :noquery t
            :filter
            (lambda (client bytes)
              (let* ((ours (string-match-p (concat "\\`[A-Z]+ " (regexp-quote ,path)) bytes))
                     (lose (and ours (> left 0))))
                (when ours
                  (push bytes requests)
                  (cl-decf left))
                (if (and lose ,answer)
                    (progn (process-send-string client ,answer)
                           (delete-process client))
                  (let ((behind (make-network-process :name "behind" :host (url-host target) :service (url-port target)
                                                      :coding 'binary :noquery t)))
                    (set-process-filter behind (lambda (_ bytes)
                                                 (unless (or lose (not (process-live-p client)))
                                                   (process-send-string client bytes))))
                    (set-process-sentinel behind (lambda (&rest _) (when (process-live-p client) (delete-process client))))
                    (process-send-string behind (replace-regexp-in-string "^Host: [^\r]*" (format "Host: 127.0.0.1:%d" (url-port target))
                                                                          bytes t t)))))))))
     (unwind-protect
         (let ((ouroboros-url (format "http://127.0.0.1:%d" (process-contact between :service))))
           ,@body)
       (delete-process between))))

(provide 'ouroboros-test-helper)
;;; ouroboros-test-helper.el ends here
