;;; The page: the door until there is a token, then one of its three parts; and the start of it all.

(ns ouroboros.core
  (:require [ouroboros.effects]
            [ouroboros.events]
            [ouroboros.events-chat]
            [ouroboros.events-lessons]
            [ouroboros.subs]
            [ouroboros.view-chat :as chat]
            [ouroboros.view-lessons :as lessons]
            [ouroboros.view-parts :refer [door head notice say]]
            [ouroboros.view-weights :as weights]
            [re-frame.core :as rf]
            [reagent.dom :as rdom]))

(defn page []
  (case @(rf/subscribe [:door])
    :open [:<> [head] [notice] (case @(rf/subscribe [:tab]) :chat [chat/view] :lessons [lessons/view] :weights [weights/view])]
    :closed [:<> [notice] [door]]
    [:<> [notice] [:p.waits (say :page/loading)]]))

(rf/dispatch-sync [:start])
(rdom/render [page] (js/document.getElementById "app"))
