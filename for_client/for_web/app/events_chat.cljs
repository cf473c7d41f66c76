;;; Events of a chat: opened, asked, answered, edited, forgotten.

(ns ouroboros.events-chat
  (:require [ouroboros.db :as db]
            [ouroboros.events :refer [request]]
            [ouroboros.words :as words]
            [re-frame.core :as rf]))

(rf/reg-event-db
 :new-chat
 (fn [db _]
   (assoc db :session nil :turns [] :here [] :editing nil :outcome nil :notice nil :tab :chat)))

(rf/reg-event-fx
 :open
 (fn [{:keys [db]} [_ session]]
   {:db (assoc db :session session :turns [] :here [] :editing nil :outcome nil :notice nil :tab :chat)
    :fx [[:dispatch [:reopen session]]]}))

(rf/reg-event-fx
 :reopen
 (fn [{:keys [db]} [_ session]]
   {:fx [[:ask (request db {:path (str "/sessions/" session) :done [:opened] :failed [:not-opened session]})]
         [:ask (request db {:path (str "/lessons?limit=1000&session=" session) :done [:taught-here session]})]]}))

(rf/reg-event-db :taught-here (fn [db [_ session {:keys [lessons]}]] (if (= session (:session db)) (assoc db :here lessons) db)))

(rf/reg-event-db
 :opened
 (fn [db [_ {:keys [session turns]}]]
   (if (and (= session (:session db)) (nil? (:answering db))) (assoc db :turns turns) db)))

(rf/reg-event-fx
 :not-opened
 ;; A chat that somebody else has forgotten is closed here too.
 (fn [{:keys [db]} [_ session {:keys [status] :as what}]]
   (if (and (= 404 status) (= session (:session db)))
     {:fx [[:dispatch [:new-chat]]]}
     {:fx [[:dispatch [:failed what]]]})))

(rf/reg-event-fx
 :look-back
 ;; The chat that is open, asked for again: somebody else may have changed it.
 (fn [{:keys [db]} _]
   (when (and (:session db) (nil? (:answering db))) {:fx [[:dispatch [:reopen (:session db)]]]})))

(rf/reg-event-fx
 :forget
 (fn [{:keys [db]} [_ session]]
   {:confirm {:words (words/say (:language db) :chat/forget-sure {:name session}) :then [:forget-now session]}}))

(rf/reg-event-fx
 :forget-now
 (fn [{:keys [db]} [_ session]]
   {:ask (request db {:method "DELETE" :path (str "/sessions/" session) :done [:forgotten session]})}))

(rf/reg-event-fx
 :forgotten
 (fn [{:keys [db]} [_ session _]]
   {:fx [[:dispatch [:refresh]] (when (= session (:session db)) [:dispatch [:new-chat]])]}))

;; Answers. One at a time is written for this page.

(defn- answer
  "Have a turn answered: `path` and `body` say how, `turn` and `question` what is shown meanwhile."
  [db session turn question path body]
  (let [db (assoc db :session session :turns (db/up-to (:turns db) turn) :editing nil :outcome nil :notice nil :unsent nil
                  :answering {:session session :turn turn :question question :text ""})]
    {:db db
     :stream (request db {:as :answer :path path :body (assoc body :stream true)
                          :begun [:answer-begun] :pieces [:answer-grows] :done [:answered session] :failed [:not-answered]})}))

(rf/reg-event-fx
 :say
 (fn [{:keys [db]} [_ text]]
   (let [session (or (:session db) (db/free-name (db/slug text) (map :session (:sessions db))))
         turn (inc (apply max 0 (map :turn (:turns db))))]
     (answer db session turn text "/infer" {:messages [{:role "user" :text text}] :session session}))))

(defn- agreed
  "The event, after a question where turns after this one would go."
  [db turn event]
  (if (some #(> (:turn %) turn) (:turns db))
    {:confirm {:words (words/say (:language db) :chat/later-sure) :then event}}
    {:fx [[:dispatch event]]}))

(rf/reg-event-fx :again (fn [{:keys [db]} [_ which]] (agreed db (:turn which) [:again-now which])))
(rf/reg-event-fx :ask-instead (fn [{:keys [db]} [_ turn text]] (agreed db turn [:ask-instead-now turn text])))

(rf/reg-event-fx
 :again-now
 (fn [{:keys [db]} [_ {:keys [turn] :as which}]]
   (answer db (:session db) turn (db/question which) (str "/sessions/" (:session db) "/regenerate") {:turn turn})))

(rf/reg-event-fx
 :ask-instead-now
 (fn [{:keys [db]} [_ turn text]]
   (answer db (:session db) turn text (str "/sessions/" (:session db) "/edit") {:turn turn :messages [{:role "user" :text text}]})))

(rf/reg-event-db :answer-begun (fn [db [_ id]] (assoc-in db [:answering :id] id)))

(rf/reg-event-db
 :answer-grows
 (fn [db [_ pieces]]
   (if (:answering db) (update-in db [:answering :text] str (apply str (map :text pieces))) db)))

(rf/reg-event-fx
 :answered
 (fn [{:keys [db]} [_ session {:keys [turn text versions finish_reason]}]]
   (let [{:keys [question]} (:answering db)
         here? (= session (:session db))]
     {:db (cond-> (assoc db :answering nil)
            here? (update :turns #(conj (db/up-to % turn) {:turn turn :messages [{:role "user" :text question}] :answer text
                                                          :versions versions :finish_reason finish_reason})))
      :fx [[:dispatch [:refresh]]]})))

(rf/reg-event-fx
 :not-answered
 (fn [{:keys [db]} [_ what]]
   {:db (assoc db :answering nil :unsent (get-in db [:answering :question]))
    :fx [[:dispatch [:failed what]] [:dispatch [:refresh]]]}))

(rf/reg-event-fx
 :stop
 ;; `what` is :answering or :learning. The server ends it, and says how far it came; before it has a name there, hanging up ends it.
 (fn [{:keys [db]} [_ what]]
   (if-let [id (get-in db [what :id])]
     {:ask (request db {:path "/cancel" :body {:id id}})}
     {:hang-up (if (= what :answering) :answer :lesson)})))

;; Editing.

(rf/reg-event-db :edit (fn [db [_ turn what text]] (assoc db :editing {:turn turn :what what :text text})))
(rf/reg-event-db :leave (fn [db _] (assoc db :editing nil)))
