;;; ouroboros-http.el --- Requests to an Ouroboros server  -*- lexical-binding: t; -*-

;; Author: RWKV-Ouroboros
;; URL: https://github.com/neromous/RWKV-Ouroboros
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; One way to ask the server: a network process, its answer taken as it comes.
;;
;; Not url.el, for three reasons: it hands over an answer only when it is
;; whole, so nothing can stream; it sends a request again by itself when a
;; kept connection turns out to be closed, so a lesson could be taught twice;
;; and it asks for a password when a token is wrong.
;;
;; A request is sent again only where that cannot teach twice: a GET, a body
;; with an idempotency key, or one that the server did not take (503).

;;; Code:

(require 'auth-source)
(require 'cl-lib)
(require 'json)
(require 'subr-x)
(require 'url-parse)

(defgroup ouroboros nil
  "Talk with a language model that learns what you correct."
  :group 'applications
  :prefix "ouroboros-"
  :link '(url-link "https://github.com/neromous/RWKV-Ouroboros"))

(defcustom ouroboros-url (or (getenv "OUROBOROS_URL") "http://127.0.0.1:3000")
  "Address of the server, without a slash at its end."
  :type 'string)

(defcustom ouroboros-token-file nil
  "File that holds the server's token, or nil.
The server writes it to the file token in its data folder.  It is
read where neither auth-source has a secret for the server's host
and port with the user ouroboros, nor the environment variable
OUROBOROS_TOKEN is set."
  :type '(choice (const :tag "None" nil) file))

(defcustom ouroboros-retries 3
  "How often a request is sent again that the server lost or was too busy for.
Nothing is taught twice by that: a lesson is sent again under its
own key, and an answer that has begun is not asked for again."
  :type 'integer)

(defcustom ouroboros-timeout 60
  "Seconds to wait for an answer that does not stream."
  :type 'number)

(cl-defstruct (ouroboros-request (:constructor ouroboros--request) (:copier nil))
  "A request on its way.  TICKET is the name by which the server can cancel it."
  method path body event done fail tries process timer ticket status headers
  (bytes "") (rest "") last over)

(defun ouroboros-key ()
  "A new idempotency key."
  (format "emacs-%s" (substring (secure-hash 'sha256 (format "%s %s %s %s" (random) (float-time) (emacs-pid) (system-name))) 0 32)))

(defun ouroboros-token (url)
  "The token for the parsed URL, or nil.
Looked for in auth-source, the environment and `ouroboros-token-file'."
  (let* ((found (car (auth-source-search :host (url-host url) :port (number-to-string (url-port url))
                                         :user "ouroboros" :max 1 :require '(:secret))))
         (secret (plist-get found :secret))
         (file ouroboros-token-file))
    (cond ((functionp secret) (funcall secret))
          (secret)
          ((getenv "OUROBOROS_TOKEN") (string-trim (getenv "OUROBOROS_TOKEN")))
          ((and file (file-readable-p file))
           (string-trim (with-temp-buffer (insert-file-contents file) (buffer-string))))
          (file (user-error "Cannot read ouroboros-token-file %s" file)))))

(defun ouroboros--json (text)
  "The value of the JSON TEXT: alists, lists, :json-false, nil for null."
  (let ((json-object-type 'alist) (json-array-type 'list) (json-key-type 'symbol) (json-false :json-false) (json-null nil))
    (condition-case nil
        (json-read-from-string text)
      (error (user-error "The server's answer is not JSON")))))

(defun ouroboros--head (request url)
  "The bytes of REQUEST to the parsed URL."
  (let* ((body (ouroboros-request-body request))
         (bytes (if body (encode-coding-string (json-encode body) 'utf-8) ""))
         (token (ouroboros-token url)))
    (when (and token (string-match-p "[^!-~]" token))
      (user-error "The token has characters that no token has"))
    (concat (encode-coding-string
             (concat (ouroboros-request-method request) " " (ouroboros-request-path request) " HTTP/1.1\r\n"
                     "Host: " (url-host url) ":" (number-to-string (url-port url)) "\r\n"
                     "Connection: close\r\nAccept: application/json, text/event-stream\r\n"
                     (if token (concat "Authorization: Bearer " token "\r\n") "")
                     (if body (format "Content-Type: application/json\r\nContent-Length: %d\r\n" (length bytes)) "")
                     "\r\n")
             'us-ascii)
            bytes)))

(cl-defun ouroboros-send (method path body &key event done fail)
  "Send METHOD PATH with BODY, an alist or nil, and return the request at once.
Of a stream EVENT is called with each event; DONE with the whole
answer or a stream's last event; FAIL with one sentence."
  (let ((request (ouroboros--request :method method :path path :body body :event (or event #'ignore)
                                     :done (or done #'ignore) :fail (or fail #'ouroboros-tell) :tries 0)))
    (ouroboros--begin request)
    request))

(defun ouroboros-tell (sentence)
  "Show SENTENCE as ours."
  (message "Ouroboros: %s" sentence))

(defun ouroboros--begin (request)
  "Open a connection for REQUEST."
  (setf (ouroboros-request-bytes request) "" (ouroboros-request-rest request) ""
        (ouroboros-request-headers request) nil (ouroboros-request-status request) nil
        (ouroboros-request-last request) nil (ouroboros-request-timer request) nil)
  (condition-case problem
      (let* ((url (url-generic-parse-url ouroboros-url))
             (secure (equal (url-type url) "https"))
             (bytes (progn
                      (unless (and (member (url-type url) '("http" "https")) (not (string-empty-p (or (url-host url) ""))))
                        (user-error "Ouroboros: ouroboros-url must be an http or https address, not %s" ouroboros-url))
                      (ouroboros--head request url)))
             (process (open-network-stream "ouroboros" nil (url-host url) (url-port url)
                                           :type (if secure 'tls 'plain) :nowait (not secure))))
        (set-process-query-on-exit-flag process nil)
        (set-process-coding-system process 'binary 'binary)
        (set-process-filter process (lambda (_ bytes) (ouroboros--take request bytes)))
        (set-process-sentinel process (lambda (process _)
                                        (if (eq (process-status process) 'open)
                                            (process-send-string process bytes)
                                          (ouroboros--closed request))))
        (setf (ouroboros-request-process request) process)
        (when (eq (process-status process) 'open)
          (process-send-string process bytes)))
    (user-error (ouroboros--fail request (error-message-string problem)))
    (file-error (ouroboros--closed request))))

(defun ouroboros-abort (request)
  "Hang up on REQUEST; nobody is told."
  (setf (ouroboros-request-over request) t)
  (when (ouroboros-request-timer request)
    (cancel-timer (ouroboros-request-timer request)))
  (when (process-live-p (ouroboros-request-process request))
    (delete-process (ouroboros-request-process request))))

(defun ouroboros--finish (request function argument)
  "End REQUEST and call FUNCTION with ARGUMENT.
What goes wrong in it is told in a sentence."
  (unless (ouroboros-request-over request)
    (ouroboros-abort request)
    (condition-case problem
        (funcall function argument)
      (user-error (ouroboros-tell (error-message-string problem))))))

(defun ouroboros--fail (request sentence)
  "End REQUEST with what is wrong as SENTENCE."
  (ouroboros--finish request (ouroboros-request-fail request) sentence))

(defun ouroboros--again (request sentence taken)
  "Send REQUEST once more, or fail with SENTENCE.
TAKEN says whether the server may have begun with it."
  (let ((tries (cl-incf (ouroboros-request-tries request)))
        (wait (string-to-number (or (cdr (assoc "retry-after" (ouroboros-request-headers request))) ""))))
    (cond ((ouroboros-request-over request))
          ((and (<= tries ouroboros-retries)
                (or (not taken)
                    (equal (ouroboros-request-method request) "GET")
                    (alist-get 'idempotency_key (ouroboros-request-body request))))
           (setf (ouroboros-request-timer request)
                 (run-at-time (min 30 (max wait (* 0.5 (expt 2 (1- tries))))) nil #'ouroboros--begin request)))
          (t (ouroboros--fail request sentence)))))

(defun ouroboros--closed (request)
  "The connection of REQUEST is gone."
  (unless (ouroboros-request-over request)
    (let ((headers (ouroboros-request-headers request)))
      (if (and headers (not (ouroboros--stream-p request)) (not (assoc "content-length" headers))
               (not (assoc "transfer-encoding" headers)))
          (ouroboros--whole request)
        (ouroboros--again request
                          (if headers "the server hung up before its answer was whole"
                            (format "no server answers at %s" ouroboros-url))
                          t)))))

;;; What comes back

(defun ouroboros--stream-p (request)
  "Whether REQUEST is answered by a stream of events."
  (string-prefix-p "text/event-stream" (or (cdr (assoc "content-type" (ouroboros-request-headers request))) "")))

(defun ouroboros--take (request bytes)
  "Take the BYTES that came for REQUEST."
  (unless (ouroboros-request-over request)
    (setf (ouroboros-request-bytes request) (concat (ouroboros-request-bytes request) bytes))
    (condition-case problem
        (progn
          (unless (ouroboros-request-headers request)
            (ouroboros--take-head request))
          (when (ouroboros-request-headers request)
            (ouroboros--take-body request)))
      (user-error (ouroboros--fail request (error-message-string problem))))))

(defun ouroboros--take-head (request)
  "Read the status and the headers of REQUEST, if they are whole."
  (let* ((bytes (ouroboros-request-bytes request))
         (end (string-match "\r\n\r\n" bytes)))
    (when end
      (let ((lines (split-string (substring bytes 0 end) "\r\n")))
        (unless (string-match "\\`HTTP/1\\.[01] \\([0-9]\\{3\\}\\)" (car lines))
          (user-error "What answers at %s is no such server" ouroboros-url))
        (setf (ouroboros-request-status request) (string-to-number (match-string 1 (car lines)))
              (ouroboros-request-bytes request) (substring bytes (+ end 4))
              (ouroboros-request-headers request)
              (mapcar (lambda (line)
                        (let ((colon (or (string-match ":" line) (length line))))
                          (cons (downcase (substring line 0 colon))
                                (string-trim (substring line (min (length line) (1+ colon)))))))
                      (or (cdr lines) '("none:")))
              (ouroboros-request-ticket request) (cdr (assoc "x-ticket-id" (ouroboros-request-headers request))))))))

(defun ouroboros--take-body (request)
  "Read what is there of the body of REQUEST."
  (let ((length (cdr (assoc "content-length" (ouroboros-request-headers request))))
        (ended nil))
    (if (assoc "transfer-encoding" (ouroboros-request-headers request))
        (setq ended (ouroboros--take-chunks request))
      (setf (ouroboros-request-rest request) (concat (ouroboros-request-rest request) (ouroboros-request-bytes request))
            (ouroboros-request-bytes request) "")
      (setq ended (and length (>= (string-bytes (ouroboros-request-rest request)) (string-to-number length)))))
    (if (ouroboros--stream-p request)
        (ouroboros--take-events request)
      (when ended
        (ouroboros--whole request)))))

(defun ouroboros--take-chunks (request)
  "Move whole chunks of REQUEST from its bytes to its rest.
Returns non-nil after the last one."
  (let ((ended nil) (more t) (case-fold-search t))
    (while (and more (string-match "\\`\\([0-9a-f]+\\)[^\r\n]*\r\n" (ouroboros-request-bytes request)))
      (let* ((bytes (ouroboros-request-bytes request))
             (from (match-end 0))
             (to (+ from (string-to-number (match-string 1 bytes) 16))))
        (cond ((= from to) (setq ended t more nil))
              ((< (length bytes) (+ to 2)) (setq more nil))
              (t (setf (ouroboros-request-rest request) (concat (ouroboros-request-rest request) (substring bytes from to))
                       (ouroboros-request-bytes request) (substring bytes (+ to 2)))))))
    ended))

(defun ouroboros--take-events (request)
  "Tell the whole events that are in the rest of REQUEST."
  (let (end)
    (while (and (not (ouroboros-request-over request))
                (setq end (string-match "\n\n" (ouroboros-request-rest request))))
      (let ((event (substring (ouroboros-request-rest request) 0 end)))
        (setf (ouroboros-request-rest request) (substring (ouroboros-request-rest request) (+ end 2)))
        (when (string-prefix-p "data: " event)
          (ouroboros--take-event request (decode-coding-string (substring event 6) 'utf-8)))))))

(defun ouroboros--take-event (request data)
  "Tell the event DATA of REQUEST."
  (if (equal data "[DONE]")
      (ouroboros--finish request (ouroboros-request-done request) (ouroboros-request-last request))
    (let* ((event (ouroboros--json data))
           (problem (alist-get 'error event)))
      (if (consp problem)
          (ouroboros--fail request (alist-get 'message problem))
        (setf (ouroboros-request-last request) event)
        (funcall (ouroboros-request-event request) event)))))

(defun ouroboros--whole (request)
  "The answer to REQUEST is whole: hand it over, or its error."
  (let* ((status (ouroboros-request-status request))
         (text (decode-coding-string (ouroboros-request-rest request) 'utf-8))
         (answer (if (< status 300) (ouroboros--json text) (ignore-errors (ouroboros--json text))))
         (sentence (or (and (consp answer) (alist-get 'message (alist-get 'error answer)))
                       (format "the server answered with status %d" status))))
    (cond ((< status 300) (ouroboros--finish request (ouroboros-request-done request) answer))
          ((= status 503) (when (process-live-p (ouroboros-request-process request))
                            (set-process-sentinel (ouroboros-request-process request) #'ignore)
                            (delete-process (ouroboros-request-process request)))
           (ouroboros--again request sentence nil))
          (t (ouroboros--fail request sentence)))))

(defun ouroboros-call (method path &optional body missing)
  "The answer to METHOD PATH with BODY, waited for.
With MISSING, nil where the server has no such thing.
\\[keyboard-quit] hangs up.  What goes wrong is a `user-error' of one sentence."
  (let* ((end (+ (float-time) ouroboros-timeout))
         (answer nil)
         (request (ouroboros-send method path body
                                  :done (lambda (value) (setq answer (cons 'done value)))
                                  :fail (lambda (sentence) (setq answer (cons 'fail sentence))))))
    (unwind-protect
        (while (and (not answer) (< (float-time) end))
          (accept-process-output nil 0.02))
      (ouroboros-abort request))
    (pcase answer
      (`(done . ,value) value)
      ((guard (and missing (equal (ouroboros-request-status request) 404))) nil)
      (`(fail . ,sentence) (user-error "%s" sentence))
      (_ (user-error "No answer within %s seconds" ouroboros-timeout)))))

(provide 'ouroboros-http)
;;; ouroboros-http.el ends here
