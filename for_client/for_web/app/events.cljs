;;; Events of the page as a whole: the start and the token, what is asked again when something happened, versions and checkpoints.

(ns ouroboros.events
  (:require [ouroboros.db :as db]
            [ouroboros.words :as words]
            [re-frame.core :as rf]))

(defn request
  "A request with the token of the reader."
  [db what]
  (assoc what :token (:token db)))

(rf/reg-event-fx
 :start
 [(rf/inject-cofx :kept)]
 (fn [{:keys [kept]} _]
   (let [language (keyword (:language kept))]
     {:db (assoc db/initial :language language)
      :language language
      :fx [[:dispatch [:token (:token kept)]]]})))

(rf/reg-event-fx
 :token
 ;; A token, or nil: tried before anything is shown.
 (fn [{:keys [db]} [_ token]]
   (let [db (assoc db :token token :notice nil)]
     {:db db :ask (request db {:path "/weights" :done [:entered] :failed [:shut-out]})})))

(rf/reg-event-fx
 :entered
 (fn [{:keys [db]} _]
   {:db (assoc db :door :open)
    :keep {"token" (:token db)}
    :follow {:token (:token db)}
    :fx [[:dispatch [:refresh]]]}))

(rf/reg-event-fx
 :shut-out
 (fn [{:keys [db]} [_ {:keys [status] :as what}]]
   (if (= 401 status)
     {:db (assoc db :door :closed :token nil :notice (when (:token db) (words/say (:language db) :door/wrong)))
      :keep {"token" nil}}
     {:db (assoc db :door :unknown)
      :fx [[:dispatch [:failed what]]]
      :dispatch-later {:ms 2000 :dispatch [:token (:token db)]}})))

(rf/reg-event-db
 :failed
 (fn [db [_ {:keys [message status stopped]}]]
   (cond
     stopped db
     (= 401 status) (assoc db :door :closed :notice message)
     status (assoc db :notice message)
     :else (assoc db :notice (words/say (:language db) :error/gone)))))

(rf/reg-event-db :dismiss (fn [db _] (assoc db :notice nil)))

(rf/reg-event-fx
 :speak
 (fn [{:keys [db]} [_ language]]
   {:db (assoc db :language language) :language language :keep {"language" (name language)}}))

(rf/reg-event-db :show (fn [db [_ tab]] (assoc db :tab tab)))

;; What the server knows, asked again.

(rf/reg-event-fx
 :refresh
 (fn [{:keys [db]} _]
   {:db (assoc db :refreshing false)
    :fx [[:dispatch [:look-back]]
         [:ask (request db {:path "/health" :done [:got :health]})]
         [:ask (request db {:path "/sessions" :done [:got :sessions :sessions]})]
         [:ask (request db {:path "/lessons?limit=200" :done [:got-lessons]})]
         [:ask (request db {:path "/save" :done [:got :checkpoints :checkpoints]})]
         [:ask (request db {:path "/versions" :done [:got :versions :versions]})]]}))

(rf/reg-event-db :got (fn [db [_ key part value]] (assoc db key (if value (get value part) part))))

(rf/reg-event-db
 :got-lessons
 (fn [db [_ {:keys [lessons]}]]
   (let [loss (:loss_after (first lessons))]
     (cond-> (assoc db :lessons lessons) (and loss (nil? (:loss db))) (assoc :loss loss)))))

(rf/reg-event-fx
 :happened
 ;; An event of /events. What it changed is asked for once it has been quiet for a moment.
 (fn [{:keys [db]} [_ {:keys [event] :as what}]]
   (let [db (db/told db what)]
     (if (or (= event "step") (:refreshing db))
       {:db db}
       {:db (assoc db :refreshing true)
        :fx [[:dispatch-later {:ms 300 :dispatch [:refresh]}]]}))))

(rf/reg-event-fx
 :looked-at
 (fn [{:keys [db]} [_ yes]]
   (when (= :open (:door db))
     (if yes
       {:follow {:token (:token db)} :fx [[:dispatch [:refresh]]]}
       {:unfollow true}))))

(rf/reg-event-db :unheard (fn [db _] (assoc db :live false :step nil)))

;; Versions and checkpoints.

(rf/reg-event-fx
 :save
 (fn [{:keys [db]} [_ name]]
   {:ask (request db {:path "/save" :body {:name name} :done [:refresh]})}))

(rf/reg-event-fx
 :load
 (fn [{:keys [db]} [_ name]]
   {:confirm {:words (words/say (:language db) :weights/load-sure {:name name}) :then [:load-now name]}}))

(rf/reg-event-fx
 :load-now
 (fn [{:keys [db]} [_ name]]
   {:ask (request db {:path "/load" :body {:name name} :done [:refresh]})}))

(rf/reg-event-fx
 :rollback
 (fn [{:keys [db]} [_ version]]
   {:confirm {:words (words/say (:language db) :weights/back-sure {:version version}) :then [:rollback-now version]}}))

(rf/reg-event-fx
 :rollback-now
 (fn [{:keys [db]} [_ version]]
   {:ask (request db {:path "/rollback" :body {:version version} :done [:refresh]})}))
