;;; ouroboros-tests.el --- All tests of the package  -*- lexical-binding: t; -*-

;;; Code:

(require 'ouroboros-org-test)
(require 'ouroboros-http-test)
(require 'ouroboros-chat-test)
(require 'ouroboros-teach-test)
(require 'ouroboros-weights-test)
(require 'ouroboros-mode-test)

(provide 'ouroboros-tests)
;;; ouroboros-tests.el ends here
