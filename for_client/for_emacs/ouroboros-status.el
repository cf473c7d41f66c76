;;; ouroboros-status.el --- What the model is doing, in the mode line  -*- lexical-binding: t; -*-

;; Author: RWKV-Ouroboros
;; URL: https://github.com/neromous/RWKV-Ouroboros
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; One connection hears the server's events, so that the mode line has the
;; version of the weights and the last loss whoever teaches.  It is opened
;; with the first buffer of `ouroboros-mode' and again with the next command
;; after it was lost.

;;; Code:

(require 'cl-lib)
(require 'ouroboros-http)

(defvar ouroboros-status--heard nil
  "The request that hears the server's events, or nil.")

(defvar ouroboros-status--version nil
  "Version of the weights, or nil where it is not known.")

(defvar ouroboros-status--loss nil
  "Loss of the last lesson, nats a token, or nil.")

(defvar ouroboros-status--step nil
  "The step that the model is taking, as text, or nil.")

(defvar-local ouroboros-status-open nil
  "Requests of this buffer that are on their way.")

(defun ouroboros-status-text ()
  "The words of the mode line."
  (concat " Ouro["
          (if ouroboros-status--version (format "v%s" ouroboros-status--version) "off")
          (cond (ouroboros-status--step (concat " " ouroboros-status--step))
                (ouroboros-status--loss (format " %.2f" ouroboros-status--loss)))
          (if ouroboros-status-open " ..." "")
          "]"))

(defun ouroboros-status-note (result)
  "Take version and loss from RESULT, an answer or an event of the server."
  (let ((version (or (alist-get 'version result) (car (last (alist-get 'versions result)))))
        (loss (alist-get 'loss_after result)))
    (when (numberp version)
      (setq ouroboros-status--version version))
    (when (numberp loss)
      (setq ouroboros-status--loss loss)))
  (force-mode-line-update t))

(defun ouroboros-status--hear (event)
  "Take one EVENT of the server."
  (setq ouroboros-status--step
        (and (equal (alist-get 'event event) "step")
             (format "%s/%s %.2f" (alist-get 'step event) (alist-get 'steps event) (alist-get 'loss event))))
  (ouroboros-status-note (if (member (alist-get 'event event) '("open" "lesson" "rollback" "undo" "load"))
                             event
                           nil)))

(defun ouroboros-status-listen ()
  "Hear what the server does, if that is not so already."
  (unless (and ouroboros-status--heard (not (ouroboros-request-over ouroboros-status--heard)))
    (let ((ouroboros-retries 0))
      (setq ouroboros-status--heard
            (ouroboros-send "GET" "/events" nil
                            :event #'ouroboros-status--hear
                            :done #'ouroboros-status--lost
                            :fail #'ouroboros-status--lost)))))

(defun ouroboros-status--lost (_)
  "The server is not heard any more."
  (setq ouroboros-status--version nil ouroboros-status--loss nil ouroboros-status--step nil)
  (force-mode-line-update t))

(defun ouroboros-status-hang-up ()
  "Hear the server no longer."
  (when ouroboros-status--heard
    (ouroboros-abort ouroboros-status--heard)
    (setq ouroboros-status--heard nil))
  (ouroboros-status--lost nil))

;;; What is on its way, and stopping it

(defvar ouroboros-open-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map [remap keyboard-quit] #'ouroboros-quit)
    map)
  "Keys while the model is at work for this buffer.")

(define-minor-mode ouroboros-open-mode
  "The model is at work for this buffer: quitting stops it.
Turned on and off by the commands that ask and teach."
  :keymap ouroboros-open-mode-map)

(cl-defun ouroboros-status-send (path body &key event done fail)
  "POST BODY to PATH for this buffer, which stays usable.
EVENT, DONE and FAIL are those of `ouroboros-send'; they are called
in this buffer, unless it is gone: then the model is stopped."
  (ouroboros-status-listen)
  (let* ((buffer (current-buffer))
         (request nil)
         (tell (lambda (function argument)
                 (if (buffer-live-p buffer)
                     (when function
                       (with-current-buffer buffer
                         (funcall function argument)))
                   (ouroboros-abort request))))
         (end (lambda (_)
                (setq ouroboros-status-open (delq request ouroboros-status-open))
                (unless ouroboros-status-open
                  (ouroboros-open-mode -1)))))
    (setq request (ouroboros-send "POST" path body
                                  :event (lambda (value) (funcall tell event value))
                                  :done (lambda (value)
                                          (ouroboros-status-note value)
                                          (funcall tell end nil)
                                          (funcall tell done value))
                                  :fail (lambda (sentence)
                                          (funcall tell end nil)
                                          (funcall tell fail sentence)
                                          (ouroboros-tell sentence))))
    (unless (ouroboros-request-over request)
      (push request ouroboros-status-open)
      (ouroboros-open-mode 1)
      (force-mode-line-update t))
    request))

;;;###autoload
(defun ouroboros-stop ()
  "Stop what the model is doing for this buffer.
What it has written stays; of a lesson nothing is learned."
  (interactive)
  (unless ouroboros-status-open
    (user-error "The model is doing nothing for this buffer"))
  (mapc #'ouroboros-status-cancel ouroboros-status-open))

(defun ouroboros-status-cancel (request)
  "Have the server end REQUEST."
  (if (ouroboros-request-ticket request)
      (ouroboros-send "POST" "/cancel" `((id . ,(ouroboros-request-ticket request))))
    (let ((fail (ouroboros-request-fail request)))
      (ouroboros-abort request)
      (funcall fail "stopped before it began"))))

(defun ouroboros-quit ()
  "Stop the model, then quit as \\[keyboard-quit] does elsewhere."
  (interactive)
  (ouroboros-stop)
  (keyboard-quit))

(provide 'ouroboros-status)
;;; ouroboros-status.el ends here
