;;; Subscriptions: what the views see of app-db.

(ns ouroboros.subs
  (:require [ouroboros.db :as db]
            [ouroboros.words :as words]
            [re-frame.core :as rf]))

(doseq [key [:language :door :tab :health :live :loss :feed :sessions :session :here :turns :answering :unsent :editing :learning :outcome
             :lessons :checkpoints :versions :notice :measured :undoing]]
  (rf/reg-sub key (fn [db _] (get db key))))

;; The step that is being taken: this page's own lesson first, else that of whoever teaches.
(rf/reg-sub :step (fn [db _] (or (get-in db [:learning :step]) (:step db))))

;; One thing at a time is asked for by this page.
(rf/reg-sub :busy (fn [db _] (boolean (or (:answering db) (:learning db) (:undoing db)))))

;; Chats, the newest first.
(rf/reg-sub :chats :<- [:sessions] (fn [sessions _] (sort-by #(- (apply max -1 (map last (:versions %)))) sessions)))

;; How the answer of a turn was taught, and its loss where it was measured under the present weights.
(rf/reg-sub
 :training
 :<- [:here] :<- [:session] :<- [:measured] :<- [:health]
 (fn [[here session measured health] [_ turn]]
   (let [{:keys [loss version]} (get measured [session (:turn turn) (:answer turn)])]
     (assoc (db/training-of here turn) :measured (when (= version (:version health)) loss)))))

;; What came of the lesson of a turn; of the form where the turn is nil.
(rf/reg-sub :outcome-of :<- [:outcome] (fn [outcome [_ turn]] (when (and outcome (= turn (:of outcome))) outcome)))

;; A sentence in the reader's language.
(rf/reg-sub :say :<- [:language] (fn [language [_ key more]] (words/say language key more)))
