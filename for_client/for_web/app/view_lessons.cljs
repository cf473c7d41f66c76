;;; The lessons: one to teach, those that were taught with their losses, and what happens as it happens.

(ns ouroboros.view-lessons
  (:require [ouroboros.db :as db]
            [ouroboros.view-parts :refer [button outcome progress say]]
            [ouroboros.words :as words]
            [re-frame.core :as rf]
            [reagent.core :as r]))

(defn- form []
  (r/with-let [question (r/atom "") answer (r/atom "")]
    (let [busy @(rf/subscribe [:busy]) learning @(rf/subscribe [:learning])]
      [:form.card {:on-submit (fn [event]
                                (.preventDefault event)
                                (rf/dispatch [:teach (.trim @question) (.trim @answer)])
                                (reset! question "")
                                (reset! answer ""))}
       [:h2 (say :lessons/teach)]
       [:input {:aria-label (say :lessons/question) :placeholder (say :lessons/question) :value @question
                :on-change #(reset! question (.. % -target -value))}]
       [:textarea {:rows 2 :aria-label (say :lessons/answer) :placeholder (say :lessons/answer) :value @answer
                   :on-change #(reset! answer (.. % -target -value))}]
       [:span.row [:button.chief {:type "submit" :disabled (or busy (= "" (.trim @answer)))} (say :chat/teach-it)]]
       (when (and learning (nil? (:turn learning))) [progress (:step learning)])
       (when-let [came @(rf/subscribe [:outcome-of nil])] [outcome came])])))

(defn- row [{:keys [lesson time version loss_before loss_after loss_now state in_weights] :as taught}]
  (let [busy @(rf/subscribe [:busy])]
    [:li.card {:class (when-not in_weights "left")}
     [:p.about "v" version " · " (words/moment time)
      (when-not in_weights [:span " · " (say :lessons/left)])
      (when (= state "retracted") [:span " · " (say :lessons/retracted)])
      " · " (say :chat/was {:before (words/figure loss_before) :after (words/figure loss_after)})
      (when loss_now [:span " · " (say :chat/now {:now (words/figure loss_now)})])]
     [:p (when-not (= "" (db/asked-text taught)) [:b (words/short-text (db/asked-text taught) 160) " "])
      (words/short-text (db/taught-text taught) 240)]
     [:p.acts
      (when in_weights [button {:class "small" :disabled busy} [:undo lesson] (say :lesson/undo)])
      [button {:class "small" :disabled busy} [:teach-again lesson] (say :lessons/again)]
      (when-not (= state "retracted") [button {:class "small" :disabled busy} [:retract lesson] (say :lessons/retract)])]]))

(defn- feed []
  [:aside.card
   [:h2 (say :lessons/feed)]
   (if-let [all (seq @(rf/subscribe [:feed]))]
     (into [:ul.feed {:aria-live "polite"}]
           (for [[n {:keys [event time version session name reason loss_before loss_after]}] (map-indexed vector all)]
             ^{:key (str time "-" n)}
             [:li [:span.about (when time (words/moment time))] " " [:b event]
              (when version (str " v" version)) (when loss_after (str " " (words/figure loss_before) " → " (words/figure loss_after)))
              (when-let [what (or session name reason)] (str " " (words/short-text (str what) 80)))]))
     [:p.about (say :lessons/quiet)])])

(defn view []
  (let [lessons @(rf/subscribe [:lessons])]
    [:main.lessons
     [:section
      [form]
      [:h2 (say :lessons/taught)]
      (if (empty? lessons)
        [:p.about (say :lessons/none)]
        (into [:ul] (for [taught lessons] ^{:key (:lesson taught)} [row taught])))]
     [feed]]))
