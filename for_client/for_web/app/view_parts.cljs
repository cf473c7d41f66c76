;;; Parts that several views are made of, and the frame around all of them.

(ns ouroboros.view-parts
  (:require [ouroboros.words :as words]
            [re-frame.core :as rf]
            [reagent.core :as r]))

(defn say
  "A sentence in the reader's language, where a view is drawn."
  ([key] (say key nil))
  ([key more] @(rf/subscribe [:say key more])))

(defn button
  "A button that dispatches an event."
  [attributes event label]
  [:button (merge {:type "button" :on-click #(rf/dispatch event)} attributes) label])

(defn field
  "A text of several lines with a form's end: `finish` gets it, where it is not empty. Enter sends where `enter?`; Escape leaves."
  [{:keys [text label finish leave action enter? disabled? focus? clears?]}]
  (r/with-let [written (r/atom (or text ""))]
    (let [send (fn []
                 (when-not (or disabled? (= "" (.trim @written)))
                   (finish @written)
                   (when clears? (reset! written ""))))]
      [:form.field {:on-submit (fn [event] (.preventDefault event) (send))}
       [:textarea {:aria-label label :placeholder label :value @written :auto-focus focus?
                   :rows (min 10 (max 1 (count (re-seq #"\n|.{1,90}" @written))))
                   :on-change #(reset! written (.. % -target -value))
                   :on-key-down (fn [event]
                                  (cond
                                    (and leave (= "Escape" (.-key event))) (leave)
                                    (and (= "Enter" (.-key event)) (not (.. event -nativeEvent -isComposing))
                                         (if enter? (not (.-shiftKey event)) (or (.-ctrlKey event) (.-metaKey event))))
                                    (do (.preventDefault event) (send))))}]
       [:span.row
        (when leave [:button {:type "button" :on-click leave} (say :chat/leave)])
        action]])))

(defn progress
  "How far a lesson is."
  [{:keys [step steps loss]}]
  [:div.progress {:role "status"}
   [:progress {:max (or steps 1) :value (when steps step)}]
   [:span (if steps (say :page/step {:step step :steps steps :loss (words/figure loss)}) (say :lesson/learning))]
   [button {:class "small"} [:stop :learning] (say :chat/stop)]])

(defn outcome
  "What came of a lesson; `more` are buttons beside those that every lesson has."
  [{:keys [learned reason lesson version loss_before loss_after seconds words checks]} & more]
  (let [language @(rf/subscribe [:language]) busy @(rf/subscribe [:busy]) [asked known] (:kept checks)]
    [:div.outcome {:role "status" :class (when-not learned "refused")}
     [:p (if learned
           (say :lesson/learned {:before (words/figure loss_before) :after (words/figure loss_after) :version version
                                 :seconds (.toFixed (or seconds 0) 1)})
           (say :lesson/not {:reason (or reason "")}))
      (when (and learned words) [:em " " (get words language)])]
     (when (pos? (or asked 0)) [:p (say :lesson/kept {:known known :asked asked})])
     (when-let [near (seq (:neighbours checks))]
       [:div [:p (say :lesson/near)]
        (into [:ul] (for [{:keys [question before after]} near] [:li question [:br] [:del before] " → " [:ins after]]))])
     [:p.row
      (into [:<>] more)
      (when (and learned (:put_back checks)) [button {:disabled busy} [:put-back] (say :lesson/back)])
      (when (and learned lesson) [button {:disabled busy} [:undo lesson] (say :lesson/undo)])]]))

(defn notice
  "What went wrong, until it is dismissed."
  []
  (when-let [text @(rf/subscribe [:notice])]
    [:div.notice {:role "alert"} [:span text] [button {:class "small" :aria-label (say :page/dismiss)} [:dismiss] "✕"]]))

(defn status
  "How the model is: heard or not, learning or not, its version and the last loss."
  []
  (let [{:keys [model version]} @(rf/subscribe [:health]) live @(rf/subscribe [:live]) loss @(rf/subscribe [:loss]) step @(rf/subscribe [:step])]
    [:p.status {:title model}
     [:span.dot {:class (cond (not live) "off" step "learns")}]
     (cond
       (not live) (say :page/off)
       step [:<> [:progress {:max (:steps step) :value (:step step)}] (words/figure (:loss step))]
       :else [:<> (say :page/version {:version version}) (when loss [:span.wide " · " (say :page/loss {:loss (words/figure loss)})])])]))

(defn head
  "The name of the page, the way to its parts, the language, and how the model is."
  []
  (let [tab @(rf/subscribe [:tab]) language @(rf/subscribe [:language])]
    [:header
     [:h1 [:img {:src "/app/icon.svg" :alt ""}] [:span.wide "Ouroboros"]]
     (into [:nav] (for [[name key] [[:chat :page/chat] [:lessons :page/lessons] [:weights :page/weights]]]
                    [button {:aria-current (when (= tab name) "page")} [:show name] (say key)]))
     [status]
     [button {:class "small"} [:speak (if (= language :en) :zh :en)] (say :page/other)]]))

(defn door
  "The token is asked for. A browser may keep it as a password."
  []
  (r/with-let [token (r/atom "")]
    [:main.door
     [:form {:on-submit (fn [event] (.preventDefault event) (rf/dispatch [:token (.trim @token)]))}
      [:h2 (say :door/title)]
      [:p (say :door/why)]
      [:input {:type "text" :name "username" :autoComplete "username" :value "ouroboros" :read-only true :hidden true}]
      [:input {:type "password" :name "token" :aria-label (say :door/token) :placeholder (say :door/token) :auto-focus true
               :autoComplete "current-password" :value @token :on-change #(reset! token (.. % -target -value))}]
      [:button.chief {:type "submit" :disabled (= "" (.trim @token))} (say :door/enter)]]]))
