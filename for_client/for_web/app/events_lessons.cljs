;;; Events of teaching: a correction, an answer as it is, a lesson of the form; and what can be done with a lesson afterwards.

(ns ouroboros.events-lessons
  (:require [ouroboros.db :as db]
            [ouroboros.events :refer [request]]
            [ouroboros.words :as words]
            [re-frame.core :as rf]))

(defn- learn
  "Have a lesson learned: `turn` is the one that it belongs to, or nil."
  [db key turn path body]
  (let [db (assoc db :editing nil :outcome nil :notice nil :learning {:turn turn})]
    {:db db
     :stream (request db {:as :lesson :again true :path path :body (assoc body :stream true :idempotency_key key)
                          :begun [:lesson-begun] :pieces [:lesson-steps] :done [:learned (:session db) turn] :failed [:not-learned]})}))

(rf/reg-event-fx
 :correct
 ;; The answer of a turn is this text, and is taught: what it should have been, or what it is.
 [(rf/inject-cofx :key)]
 (fn [{:keys [db key]} [_ turn text]]
   (learn db key turn (str "/sessions/" (:session db) "/correct") {:turn turn :text text})))

(rf/reg-event-fx
 :teach
 ;; A question and its answer, or a text without a question.
 [(rf/inject-cofx :key)]
 (fn [{:keys [db key]} [_ question answer]]
   (learn db key nil "/train" (if (= "" question)
                                {:text answer}
                                {:messages [{:role "user" :text question} {:role "assistant" :text answer}]}))))

(rf/reg-event-fx
 :put-back
 ;; Near questions that the last lesson changed are taught their old answers.
 [(rf/inject-cofx :key)]
 (fn [{:keys [db key]} _]
   (learn db key nil "/train" (get-in db [:outcome :checks :put_back]))))

(rf/reg-event-fx
 :teach-again
 [(rf/inject-cofx :key)]
 (fn [{:keys [db key]} [_ lesson]]
   (learn db key nil (str "/lessons/" lesson "/retrain") {})))

(rf/reg-event-db :lesson-begun (fn [db [_ id]] (assoc-in db [:learning :id] id)))
(rf/reg-event-db :lesson-steps (fn [db [_ steps]] (if (:learning db) (assoc-in db [:learning :step] (last steps)) db)))

(rf/reg-event-fx
 :learned
 (fn [{:keys [db]} [_ session turn word]]
   (let [here? (and turn (= session (:session db)))]
     {:db (cond-> (assoc db :learning nil :step nil :outcome (assoc word :of (when here? turn)))
            (:loss_after word) (assoc :loss (:loss_after word)))
      :fx [[:dispatch [:refresh]]]})))

(rf/reg-event-fx
 :not-learned
 (fn [{:keys [db]} [_ what]]
   {:db (assoc db :learning nil :step nil) :fx [[:dispatch [:failed what]] [:dispatch [:refresh]]]}))

(rf/reg-event-fx
 :undo
 ;; A lesson is taken out of the weights; those after it are learned again without it.
 (fn [{:keys [db]} [_ lesson]]
   {:confirm {:words (words/say (:language db) :lessons/undo-sure) :then [:undo-now lesson]}}))

(rf/reg-event-fx
 :undo-now
 (fn [{:keys [db]} [_ lesson]]
   {:db (assoc db :undoing lesson)
    :ask (request db {:path (str "/lessons/" lesson "/undo") :body {} :done [:undone] :failed [:not-undone]})}))

(rf/reg-event-fx :undone (fn [{:keys [db]} _] {:db (assoc db :undoing nil :outcome nil) :fx [[:dispatch [:refresh]]]}))
(rf/reg-event-fx :not-undone (fn [{:keys [db]} [_ what]] {:db (assoc db :undoing nil) :fx [[:dispatch [:failed what]]]}))

(rf/reg-event-fx
 :retract
 (fn [{:keys [db]} [_ lesson]]
   {:ask (request db {:method "DELETE" :path (str "/lessons/" lesson) :done [:refresh]})}))

(rf/reg-event-fx
 :measure
 ;; The loss of an answer under the present weights; nothing changes.
 (fn [{:keys [db]} [_ {:keys [turn answer]}]]
   {:ask (request db {:path "/train" :body {:messages (db/conversation (:turns db) turn) :dry_run true :checks false}
                      :done [:measured [(:session db) turn answer]]})}))

(rf/reg-event-db
 :measured
 (fn [db [_ what {:keys [loss_before version]}]]
   (assoc-in db [:measured what] {:loss loss_before :version version})))
