;;; The chat: its turns, what can be done with each, the line to write in, and the list of chats beside it.

(ns ouroboros.view-chat
  (:require [ouroboros.db :as db]
            [ouroboros.view-parts :refer [button field outcome progress say]]
            [ouroboros.words :as words]
            [re-frame.core :as rf]
            [reagent.core :as r]))

(defn- training
  "How often an answer was taught, and its losses."
  [turn]
  (let [{:keys [times before after now measured]} @(rf/subscribe [:training turn])]
    [:<>
     (when times [:span.taught " · " (say :chat/taught {:times times})])
     (when times [:span " · " (say :chat/was {:before (words/figure before) :after (words/figure after)})])
     (when (and now (nil? measured)) [:span " · " (say :chat/now {:now (words/figure now)})])
     (when measured [:span.measured " · " (say :chat/measured {:loss (words/figure measured)})])]))

(defn- question [turn n what]
  (if (and what (= n (:turn what)) (= :question (:what what)))
    [:div.said.mine
     [field {:text (:text what) :label (say :chat/input) :focus? true :enter? true
             :finish #(rf/dispatch [:ask-instead n %]) :leave #(rf/dispatch [:leave])
             :action [:button.chief {:type "submit"} (say :chat/ask)]}]]
    [:div.said.mine
     [:p (db/question turn)]
     [:p.acts [button {:class "small" :disabled @(rf/subscribe [:busy])} [:edit n :question (db/question turn)] (say :chat/edit)]]]))

(defn- answer [{n :turn :keys [answer versions finish_reason] :as turn} what]
  (let [busy @(rf/subscribe [:busy]) learning @(rf/subscribe [:learning]) came @(rf/subscribe [:outcome-of n])]
    [:div.said.its
     (if (and what (= n (:turn what)) (= :answer (:what what)))
       [field {:text (:text what) :label (say :chat/right) :focus? true
               :finish #(rf/dispatch [:correct n %]) :leave #(rf/dispatch [:leave])
               :action [:button.chief {:type "submit"} (say :chat/teach-it)]}]
       [:<>
        [:p answer]
        [:p.about (say :chat/versions {:first (last versions)})
         (case finish_reason "length" [:span " · " (say :chat/cut)] "cancelled" [:span " · " (say :chat/stopped)] nil)
         [training turn]]
        [:p.acts
         [button {:class "small" :disabled busy} [:edit n :answer answer] (say :chat/correct)]
         [button {:class "small" :disabled busy :title (say :chat/good-why)} [:correct n answer] (say :chat/good)]
         [button {:class "small" :disabled busy} [:again turn] (say :chat/again)]
         [button {:class "small" :disabled busy :title (say :chat/measure-why)} [:measure turn] (say :chat/measure)]]])
     (when (and learning (= n (:turn learning))) [progress (:step learning)])
     (when came [outcome came [button {:disabled busy} [:again turn] (say :lesson/ask)]])]))

(defn- growing
  "The answer that is being written."
  [{:keys [question text]}]
  [:article
   [:div.said.mine [:p question]]
   [:div.said.its {:aria-live "polite" :aria-busy true}
    (if (= "" text) [:p.about (say :chat/waiting)] [:p text [:span.caret]])]])

(defn- at-its-end
  "Keep the end of the chat in sight while it grows, unless the reader has scrolled away from it."
  [_ & _]
  (let [node (atom nil)
        near? (fn [n] (< (- (.-scrollHeight n) (.-scrollTop n) (.-clientHeight n)) 160))
        stays (atom true)]
    (r/create-class
     {:component-did-mount (fn [_] (when-let [n @node] (set! (.-scrollTop n) (.-scrollHeight n))))
      :component-did-update (fn [_] (when-let [n @node] (when @stays (set! (.-scrollTop n) (.-scrollHeight n)))))
      :reagent-render (fn [turns more]
                        (into [:div.turns {:ref #(reset! node %) :on-scroll #(reset! stays (near? (.-target %)))}]
                              (conj turns more)))})))

(defn- chats []
  (let [open @(rf/subscribe [:session])]
    [:aside.chats
     [button {:class "chief"} [:new-chat] (say :chat/new)]
     (let [all @(rf/subscribe [:chats])]
       (if (empty? all)
         [:p.about (say :chat/none)]
         (into [:ul] (for [{:keys [session]} all]
                       ^{:key session}
                       [:li
                        [button {:class "open" :aria-current (when (= session open) "true")} [:open session] session]
                        [button {:class "small" :aria-label (say :chat/forget {:name session})} [:forget session] "✕"]]))))]))

(defn view []
  (let [turns @(rf/subscribe [:turns]) writing @(rf/subscribe [:answering]) what @(rf/subscribe [:editing]) session @(rf/subscribe [:session])
        unsent @(rf/subscribe [:unsent]) busy @(rf/subscribe [:busy]) writing (when (= session (:session writing)) writing)]
    [:main.chat
     [chats]
     [:section
      (if (and (empty? turns) (nil? writing))
        [:div.turns.empty [:h2 (say :chat/empty)] [:p (say :chat/hint)]]
        [at-its-end
         (vec (for [turn turns] ^{:key (:turn turn)} [:article [question turn (:turn turn) what] [answer turn what]]))
         (when writing [growing writing])])
      ^{:key (str session "/" unsent)}
      [field {:text unsent :label (say :chat/input) :enter? true :clears? true :disabled? busy :focus? true :finish #(rf/dispatch [:say %])
              :action (if writing
                        [button {:class "chief"} [:stop :answering] (say :chat/stop)]
                        [:button.chief {:type "submit" :disabled busy} (say :chat/send)])}]]]))
