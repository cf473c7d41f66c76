;;; Server-sent events out of a text that comes in pieces.

(ns ouroboros.sse
  (:require [clojure.string :as str]))

(defn- data
  "The data of one event; nil for a comment."
  [event]
  (let [lines (keep #(second (re-matches #"data: ?(.*)" %)) (str/split event #"\r?\n"))]
    (when (seq lines) (str/join "\n" lines))))

(defn parse
  "Of the text that is there so far: [the data of every event that is whole, the rest]."
  [text]
  (let [parts (str/split text #"\r?\n\r?\n" -1)]
    [(vec (keep data (butlast parts))) (last parts)]))
