;;; app-db: all that the page knows, and how it is read and changed. Pure functions; nothing here asks anybody.

(ns ouroboros.db
  (:require [clojure.string :as str]))

(def initial
  {:language :en
   :token nil        ; what the reader gave, or nil
   :door :unknown    ; :open, or :closed while a token is asked for
   :tab :chat        ; :chat, :lessons or :weights
   :health nil       ; /health
   :live false       ; whether /events is heard
   :step nil         ; the step of a lesson that is being taken, whoever teaches it
   :loss nil         ; of the last lesson, whoever taught it
   :feed []          ; what happened, the newest first
   :refreshing false ; whether the server will be asked again in a moment
   :sessions []      ; /sessions
   :session nil      ; the name of the chat that is open; nil for a new one
   :here []          ; what was taught in it, the newest first
   :turns []         ; its turns: {:turn :messages :answer :versions :finish_reason}
   :answering nil    ; the answer that is being written: {:id :session :turn :question :text}
   :unsent nil       ; what was asked in vain: it stands in the line to write in again
   :editing nil      ; what is being edited: {:turn :what (:answer or :question) :text}
   :learning nil     ; the lesson that this page teaches: {:id :turn :key :step}; :turn nil for one of the form
   :undoing nil      ; the lesson that is being taken out
   :outcome nil      ; what came of it: the answer of the server, with :of, the turn
   :measured {}      ; [session turn answer] -> {:loss :version}
   :lessons []       ; /lessons, the newest first
   :checkpoints []   ; /save
   :versions []      ; /versions, the newest first
   :notice nil})     ; the sentence that says what went wrong

(def most-of-feed 60)

(defn slug
  "A name that the server takes, of a text's first words."
  [text]
  (let [name (-> (str/lower-case text) (str/replace #"[^a-z0-9]+" "-") (str/replace #"^-+" ""))
        name (str/replace (subs name 0 (min 32 (count name))) #"-+$" "")]
    (if (= "" name) "chat" name)))

(defn free-name
  "`wanted`, or with the first number that makes it free."
  [wanted taken]
  (let [taken (set taken)]
    (first (remove taken (cons wanted (map #(str wanted "-" %) (iterate inc 2)))))))

(defn question
  "What a turn asked."
  [turn]
  (:text (last (:messages turn))))

(defn conversation
  "The messages up to the answer of a turn, as a lesson: only that answer is trained."
  [turns n]
  (let [before (filter #(< (:turn %) n) turns)
        this (first (filter #(= (:turn %) n) turns))]
    (vec (concat (mapcat #(conj (vec (:messages %)) {:role "assistant" :text (:answer %) :no_loss true}) before)
                 (:messages this)
                 [{:role "assistant" :text (:answer this)}]))))

(defn up-to
  "The turns before a turn: an answer that is begun anew takes the place of those after it."
  [turns n]
  (filterv #(< (:turn %) n) turns))

(defn taught-text
  "What a lesson taught, or the text that it was."
  [lesson]
  (or (:text (last (:messages lesson))) (:text lesson)
      (:text (last (:messages (first (:lessons lesson))))) ""))

(defn asked-text
  "What a lesson asked; empty where it asked nothing."
  [lesson]
  (or (:text (last (butlast (or (:messages lesson) (:messages (first (:lessons lesson))))))) ""))

(defn training-of
  "How an answer was taught, by the lessons of its chat, the newest first: {:times :before :after :now}, nil where none is in the weights."
  [lessons turn]
  (let [of (filter #(and (:in_weights %) (= (:turn %) (:turn turn)) (= (taught-text %) (:answer turn))) lessons)]
    (when (seq of)
      {:times (count of) :before (:loss_before (last of)) :after (:loss_after (first of)) :now (:loss_now (first of))})))

(defn told
  "app-db after an event of /events. A step is shown and passed over; the rest is kept, the newest first."
  [db {:keys [event] :as what}]
  (case event
    "step" (assoc db :step what)
    "open" (assoc db :live true :step nil)
    (cond-> (update db :feed #(vec (take most-of-feed (cons what %))))
      (#{"lesson" "refused"} event) (assoc :step nil)
      (and (= event "lesson") (number? (:loss_after what))) (assoc :loss (:loss_after what))
      (number? (:version what)) (assoc-in [:health :version] (:version what)))))
