;;; ouroboros-http-test.el --- Tests of requests, the token and retries  -*- lexical-binding: t; -*-

;;; Code:

(require 'ouroboros-test-helper)

(ert-deftest ouroboros-http-answers-are-alists ()
  (let ((health (ouroboros-call "GET" "/health")))
    (should (equal (alist-get 'status health) "ok"))
    (should (numberp (alist-get 'version health)))))

(ert-deftest ouroboros-http-an-error-is-the-server-s-sentence ()
  (should (equal (ouroboros-test-error (lambda () (ouroboros-call "POST" "/infer" '((texxt . "a")))))
                 "texxt is unknown, did you mean text?")))

(ert-deftest ouroboros-http-no-server-is-one-sentence ()
  (let ((ouroboros-url "http://127.0.0.1:1") (ouroboros-retries 0))
    (should (equal (ouroboros-test-error (lambda () (ouroboros-call "GET" "/health"))) "no server answers at http://127.0.0.1:1"))))

(ert-deftest ouroboros-http-an-address-that-is-none ()
  (let ((ouroboros-url "ftp://x"))
    (should (string-match-p "must be an http or https address" (ouroboros-test-error (lambda () (ouroboros-call "GET" "/health")))))))

(ert-deftest ouroboros-http-what-is-no-http ()
  (ouroboros-test-losing 1 "/health" "SSH-2.0-none\r\n\r\n"
    (should (string-match-p "is no such server" (ouroboros-test-error (lambda () (ouroboros-call "GET" "/health")))))))

(ert-deftest ouroboros-http-what-is-no-json ()
  (ouroboros-test-losing 1 "/health" "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<p>"
    (should (string-match-p "not JSON" (ouroboros-test-error (lambda () (ouroboros-call "GET" "/health")))))))

(ert-deftest ouroboros-http-a-page-of-a-proxy-is-a-sentence ()
  (ouroboros-test-losing 1 "/health" "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\n<p>"
    (should (equal (ouroboros-test-error (lambda () (ouroboros-call "GET" "/health"))) "the server answered with status 502"))))

(ert-deftest ouroboros-http-without-a-length-it-ends-with-the-connection ()
  (ouroboros-test-losing 1 "/health" "HTTP/1.0 200 OK\r\n\r\n{\"a\": [1, null, false]}"
    (should (equal (ouroboros-call "GET" "/health") '((a 1 nil :json-false))))))

(ert-deftest ouroboros-http-no-answer-in-time ()
  (ouroboros-test-losing 1 "/health" "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{"
    (let ((ouroboros-timeout 0.3) (ouroboros-retries 9))
      (should (string-match-p "No answer within" (ouroboros-test-error (lambda () (ouroboros-call "GET" "/health"))))))))

(ert-deftest ouroboros-http-streams-piece-by-piece ()
  (let ((pieces nil) (whole nil))
    (ouroboros-send "POST" "/infer" '((messages . [((role . "user") (text . "你好，猫叫什么？"))]) (stream . t) (max_tokens . 12) (temperature . 0))
                    :event (lambda (event) (push event pieces))
                    :done (lambda (answer) (setq whole answer)))
    (ouroboros-test-until (lambda () whole))
    (should (> (length pieces) 2))
    (should (equal (alist-get 'text whole)
                   (string-trim (mapconcat (lambda (event) (if (alist-get 'finish_reason event) "" (alist-get 'text event)))
                                           (reverse pieces) ""))))))

(ert-deftest ouroboros-http-chunks-and-events-may-come-in-bytes ()
  "A stream cut anywhere is the same stream."
  (let* ((payload (encode-coding-string "data: {\"text\":\"猫\"}\n\n: keep-alive\n\ndata: {\"end\":1}\n\ndata: [DONE]\n\n" 'utf-8))
         (half (/ (length payload) 3))
         (bytes (concat "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                        (format "%x\r\n" half) (substring payload 0 half) "\r\n"
                        (format "%X\r\n" (- (length payload) half)) (substring payload half) "\r\n0\r\n\r\n"))
         (events nil) (last nil)
         (request (ouroboros--request :event (lambda (event) (push event events)) :done (lambda (event) (setq last event)) :fail #'error)))
    (dolist (byte (append bytes nil))
      (ouroboros--take request (unibyte-string byte)))
    (should (equal (reverse events) '(((text . "猫")) ((end . 1)))))
    (should (equal last '((end . 1))))))

;;; The token

(ert-deftest ouroboros-http-a-wrong-token-is-told ()
  (let ((process-environment (cons "OUROBOROS_TOKEN=wrong" process-environment)))
    (should (string-match-p "token" (ouroboros-test-error (lambda () (ouroboros-call "GET" "/weights")))))))

(ert-deftest ouroboros-http-a-token-cannot-smuggle-a-header ()
  (let ((process-environment (cons "OUROBOROS_TOKEN=a\r\nX: b" process-environment)))
    (should (string-match-p "characters" (ouroboros-test-error (lambda () (ouroboros-call "GET" "/weights")))))))

(ert-deftest ouroboros-http-the-token-of-auth-source-comes-first ()
  (let* ((token (getenv "OUROBOROS_TOKEN"))
         (url (url-generic-parse-url ouroboros-url))
         (file (make-temp-file "authinfo" nil nil (format "machine %s port %d login root password no\nmachine %s port %d login ouroboros password %s\n"
                                                          (url-host url) (url-port url) (url-host url) (url-port url) token)))
         (process-environment (cons "OUROBOROS_TOKEN=wrong" process-environment)))
    (unwind-protect
        (let ((auth-sources (list file)) (auth-source-do-cache nil))
          (should (equal (ouroboros-token url) token))
          (should (alist-get 'digest (ouroboros-call "GET" "/weights"))))
      (delete-file file))))

(ert-deftest ouroboros-http-the-token-file-comes-last ()
  (let* ((file (make-temp-file "token" nil nil (concat (getenv "OUROBOROS_TOKEN") "\n")))
         (process-environment (cons "OUROBOROS_TOKEN" process-environment)))
    (unwind-protect
        (let ((ouroboros-token-file file))
          (should (alist-get 'digest (ouroboros-call "GET" "/weights"))))
      (delete-file file))
    (let ((ouroboros-token-file file))
      (should (string-match-p "Cannot read ouroboros-token-file" (ouroboros-test-error (lambda () (ouroboros-call "GET" "/weights"))))))))

;;; Sending again

(ert-deftest ouroboros-http-a-lost-lesson-is-taught-once ()
  "Its answer is lost twice after the server has learned it: it is sent three times and learned once."
  (let ((before (ouroboros-test-taught)))
    (ouroboros-test-losing 2 "/train" nil
      (should (alist-get 'version (ouroboros-test-teach "Odo." `(idempotency_key . ,(ouroboros-key)))))
      (should (equal (length requests) 3)))
    (should (equal (ouroboros-test-taught) (1+ before)))))

(ert-deftest ouroboros-http-without-a-key-nothing-is-sent-again ()
  (let ((before (ouroboros-test-taught)))
    (ouroboros-test-losing 1 "/train" nil
      (should (string-match-p "no server answers" (ouroboros-test-error (lambda () (ouroboros-test-teach "Odo.")))))
      (should (equal (length requests) 1)))
    (should (equal (ouroboros-test-taught) (1+ before)))))

(ert-deftest ouroboros-http-a-busy-server-is-asked-again ()
  (ouroboros-test-losing 1 "/infer" "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\n{}"
    (should (alist-get 'text (ouroboros-call "POST" "/infer" '((text . "Once") (max_tokens . 2)))))
    (should (equal (length requests) 2))))

(ert-deftest ouroboros-http-retries-end ()
  (ouroboros-test-losing 9 "/health" "HTTP/1.1 503 Busy\r\nContent-Length: 44\r\n\r\n{\"error\": {\"message\": \"the queue is full...\"}}"
    (let ((ouroboros-retries 1))
      (should (string-match-p "503\\|full\\|whole" (ouroboros-test-error (lambda () (ouroboros-call "GET" "/health")))))
      (should (equal (length requests) 2)))))

(ert-deftest ouroboros-http-keys-differ-and-fit ()
  (should-not (equal (ouroboros-key) (ouroboros-key)))
  (should (string-match-p "\\`[!-~]\\{1,255\\}\\'" (ouroboros-key))))

(provide 'ouroboros-http-test)
;;; ouroboros-http-test.el ends here
