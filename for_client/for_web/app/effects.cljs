;;; Effects: what reaches out of the page. To the server that the page came from, and to nobody else.

(ns ouroboros.effects
  (:require [ouroboros.sse :as sse]
            [re-frame.core :as rf]))

(def pauses "Milliseconds before a lost lesson is sent again, under the same key." [500 1500 4000])
(defonce running (atom {}))
(defonce listener (atom nil))

(defn- headers [token body]
  (cond-> {}
    token (assoc "Authorization" (str "Bearer " token))
    body (assoc "Content-Type" "application/json")))

(defn- ask [{:keys [method path token body signal]}]
  (js/fetch path (clj->js {:method (or method (if body "POST" "GET")) :headers (headers token body) :signal signal
                           :body (when body (js/JSON.stringify (clj->js body)))})))

(defn- value [text] (js->clj (js/JSON.parse text) :keywordize-keys true))

(defn- rejected
  "A promise that failed. What is thrown out of interpreted code comes wrapped, without its data."
  [message data]
  (js/Promise.reject (ex-info message data)))

(defn- refusal
  "A rejected promise with the server's own sentence."
  [response]
  (-> (.text response)
      (.then (fn [text]
               (let [said (try (:error (value text)) (catch :default _ nil))]
                 (rejected (or (:message said) (.-statusText response)) {:status (.-status response)}))))))

(defn- told
  "What an error says: {:message :status}, the status nil where the server was not reached."
  [error]
  {:message (or (ex-message error) (str error)) :status (:status (ex-data error)) :stopped (= "AbortError" (.-name error))})

(defn- say [event & more]
  (when event (rf/dispatch (into event more))))

(rf/reg-fx
 :ask
 (fn [{:keys [done failed] :as request}]
   (-> (ask request)
       (.then (fn [response] (if (.-ok response) (.text response) (refusal response))))
       (.then (fn [text] (say done (value text))))
       (.catch (fn [error] (say (or failed [:failed]) (told error)))))))

(defn- read-all
  "Give what comes to `tell`, a list at a time; a promise of the end."
  [response tell]
  (let [reader (.getReader (.-body response)) decoder (js/TextDecoder.)]
    (js/Promise.
     (fn [resolve reject]
       (letfn [(on [text]
                 (-> (.read reader)
                     (.then (fn [piece]
                              (if (.-done piece)
                                (resolve nil)
                                (let [[whole more] (sse/parse (str text (.decode decoder (.-value piece) #js {:stream true})))]
                                  (tell (mapv value (remove #{"[DONE]"} whole)))
                                  (on more)
                                  nil))))
                     (.catch reject))
                 nil)]
         (on ""))))))

(defn- final? [event]
  (or (contains? event :finish_reason) (contains? event :learned)))

(defn- stream
  "One try of a stream: begun, pieces, and its last word; a promise of that word, rejected where there was none."
  [{:keys [begun pieces] :as request}]
  (let [last-word (atom nil)]
    (-> (ask request)
        (.then (fn [response]
                 (if (.-ok response)
                   (do (say begun (.get (.-headers response) "X-Ticket-Id"))
                       (read-all response (fn [events]
                                            (when (seq events) (reset! last-word (last events)))
                                            (when-let [some (seq (remove final? events))] (say pieces (vec some))))))
                   (refusal response))))
        (.then (fn [_]
                 (let [{:keys [error] :as word} @last-word]
                   (cond
                     error (rejected (:message error) {:status 500})
                     (final? word) word
                     :else (rejected "the answer was cut off" {}))))))))

(rf/reg-fx
 :stream
 ;; `as` is the name that :stop knows it by. `again` lets a lesson be sent again that was lost: its key keeps it from being learned twice.
 (fn [{:keys [as again done failed] :as request}]
   (let [stopper (js/AbortController.)]
     (swap! running assoc as stopper)
     (letfn [(attempt [left]
               (-> (stream (assoc request :signal (.-signal stopper)))
                   (.then (fn [word] (swap! running dissoc as) (say done word)))
                   (.catch (fn [error]
                             (let [{:keys [status stopped] :as what} (told error)]
                               (if (and (seq left) (nil? status) (not stopped))
                                 (js/setTimeout #(attempt (rest left)) (first left))
                                 (do (swap! running dissoc as) (say failed what))))))))]
       (attempt (if again pauses []))))))

(rf/reg-fx
 :hang-up
 (fn [as] (when-let [stopper (get @running as)] (.abort stopper))))

(defn- hush [] (some-> @listener (.abort)))

;; A browser keeps six connections to a server and no more: a tab that nobody looks at gives its own back.
(rf/reg-fx :unfollow (fn [_] (hush)))

(rf/reg-fx
 :follow
 ;; Hears /events, and comes back when the stream ends, later each time that nothing was heard.
 (fn [{:keys [token]}]
   (hush)
   (let [signal (.-signal (reset! listener (js/AbortController.)))]
     (letfn [(listen [pause]
               (let [next-pause (atom (min 8000 (* 2 pause)))
                     tell (fn [events] (reset! next-pause 500) (run! #(rf/dispatch [:happened %]) events))]
                 (-> (ask {:path "/events" :token token :signal signal})
                     (.then (fn [response] (if (.-ok response) (read-all response tell) (refusal response))))
                     (.catch told)
                     (.then (fn [{:keys [status]}]
                              (when-not (.-aborted signal)
                                (rf/dispatch [:unheard])
                                (when-not (= 401 status)
                                  (js/setTimeout #(when-not (.-aborted signal) (listen @next-pause)) pause))))))))]
       (listen 500)))))

(rf/reg-fx :confirm (fn [{:keys [words then]}] (when (js/confirm words) (rf/dispatch then))))
(rf/reg-fx :keep (fn [kept] (doseq [[name text] kept]
                              (if text
                                (js/sessionStorage.setItem (str "ouroboros." name) text)
                                (js/sessionStorage.removeItem (str "ouroboros." name))))))
;; Whether somebody looks at the page.
(defonce watching (js/document.addEventListener "visibilitychange" #(rf/dispatch [:looked-at (not (.-hidden js/document))])))

(rf/reg-fx :language (fn [language] (set! (.-lang js/document.documentElement) (name language))))

(rf/reg-cofx
 :kept
 ;; The token of the address (/app#token=...), which leaves the address at once, or that of this tab; the language of the reader.
 (fn [cofx _]
   (let [given (second (re-find #"^#token=([!-~]+)$" js/location.hash))]
     (when given (js/history.replaceState nil "" "/app"))
     (assoc cofx :kept {:token (or given (js/sessionStorage.getItem "ouroboros.token"))
                        :language (or (js/sessionStorage.getItem "ouroboros.language")
                                      (if (re-find #"^zh" js/navigator.language) "zh" "en"))}))))

;; A name for one lesson: however often it is sent, it is learned once.
(rf/reg-cofx :key (fn [cofx _] (assoc cofx :key (.join (js/crypto.getRandomValues (js/Uint32Array. 4)) "-"))))
