;;; The weights: checkpoints saved and loaded, and every version with the way back to it.

(ns ouroboros.view-weights
  (:require [ouroboros.view-parts :refer [button say]]
            [ouroboros.words :as words]
            [re-frame.core :as rf]
            [reagent.core :as r]))

(defn- save []
  (r/with-let [name (r/atom "default")]
    [:form.card {:on-submit (fn [event] (.preventDefault event) (rf/dispatch [:save @name]))}
     [:h2 (say :weights/save)]
     [:span.row
      [:input {:aria-label (say :weights/name) :value @name :on-change #(reset! name (.. % -target -value))}]
      [:button.chief {:type "submit" :disabled (= "" @name)} (say :weights/save-do)]]]))

(defn- checkpoints []
  (let [all @(rf/subscribe [:checkpoints]) busy @(rf/subscribe [:busy])]
    [:div.card
     [:h2 (say :weights/checkpoints)]
     (if (empty? all)
       [:p.about (say :weights/none)]
       (into [:ul.rows]
             (for [{:keys [name version time bytes]} all]
               ^{:key name}
               [:li [:b name] [:span.about " v" version " · " (words/moment time) " · " (.toFixed (/ bytes 1e6) 1) " MB"]
                [button {:class "small" :disabled busy} [:load name] (say :weights/load)]])))]))

(defn- versions []
  (let [all @(rf/subscribe [:versions]) busy @(rf/subscribe [:busy])]
    [:div.card
     [:h2 (say :weights/versions)]
     (into [:ul.rows]
           (for [{:keys [version present in_weights time made_by loss_before loss_after]} all]
             ^{:key version}
             [:li {:class (when-not (or present in_weights) "left")}
              [:b "v" version]
              [:span.about " " (say (keyword "weights" made_by)) (when time (str " · " (words/moment time)))
               (when loss_after (str " · " (words/figure loss_before) " → " (words/figure loss_after)))]
              (if present
                [:em (say :weights/present)]
                [button {:class "small" :disabled busy} [:rollback version] (say :weights/back)])]))]))

(defn view []
  [:main.weights
   [:section [save] [checkpoints]]
   [:section [versions]]])
