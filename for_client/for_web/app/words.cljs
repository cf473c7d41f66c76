;;; What the page says, in English and Chinese: the same keys, and the same {placeholders}.

(ns ouroboros.words
  (:require [clojure.string :as str]))

(def sentences
  {:page/chat ["Chat" "对话"]
   :page/lessons ["Lessons" "课程"]
   :page/weights ["Weights" "权重"]
   :page/other ["中文" "English"]
   :page/loading ["Asking the server …" "正在询问服务器……"]
   :page/version ["version {version}" "版本 {version}"]
   :page/loss ["loss {loss}" "损失 {loss}"]
   :page/step ["step {step} of {steps}, loss {loss}" "第 {step}/{steps} 步，损失 {loss}"]
   :page/off ["not heard" "未连接"]
   :page/dismiss ["Dismiss" "关闭"]
   :door/title ["Who are you?" "请出示令牌"]
   :door/why ["The server printed a token when it first started; it lies in the file data/token." "服务器首次启动时打印了令牌，它保存在文件 data/token 中。"]
   :door/token ["Token" "令牌"]
   :door/enter ["Enter" "进入"]
   :door/wrong ["This is not the token of this server." "这不是该服务器的令牌。"]
   :error/gone ["The server does not answer. Nothing that was taught is lost; try again in a moment." "服务器没有回应。教过的内容不会丢失，请稍后再试。"]
   :chat/new ["New chat" "新对话"]
   :chat/none ["No chats yet" "还没有对话"]
   :chat/empty ["Ask it something" "问它点什么"]
   :chat/hint ["If the answer is wrong, correct it: it learns the right one at once." "如果回答不对，请纠正它：它会立刻学会正确的回答。"]
   :chat/input ["Write a message" "写一条消息"]
   :chat/send ["Send" "发送"]
   :chat/stop ["Stop" "停止"]
   :chat/waiting ["waiting for the first word …" "等待第一个字……"]
   :chat/edit ["Edit" "编辑"]
   :chat/ask ["Ask this" "改问这个"]
   :chat/leave ["Cancel" "取消"]
   :chat/correct ["Correct" "纠正"]
   :chat/right ["The right answer" "正确的回答"]
   :chat/teach-it ["Teach it" "教给它"]
   :chat/good ["Good" "很好"]
   :chat/good-why ["Teach it this answer as it is" "把这个回答原样教给它"]
   :chat/again ["Again" "重答"]
   :chat/measure ["Loss" "损失"]
   :chat/measure-why ["Measure the loss of this answer; nothing changes" "测量这个回答的损失，不改变任何东西"]
   :chat/cut ["cut off at the longest length" "达到最大长度而截断"]
   :chat/stopped ["stopped" "已停止"]
   :chat/versions ["v{first}" "v{first}"]
   :chat/taught ["taught {times}×" "教过 {times} 次"]
   :chat/was ["loss {before} → {after}" "损失 {before} → {after}"]
   :chat/now ["now {now}" "现在 {now}"]
   :chat/measured ["loss now {loss}" "现在的损失 {loss}"]
   :chat/forget ["Delete the chat {name}" "删除对话 {name}"]
   :chat/forget-sure ["Delete the chat {name} for good? What was taught in it stays in the weights." "永久删除对话 {name}？其中教过的内容仍留在权重里。"]
   :chat/later-sure ["What was said after this leaves the chat. Go on?" "此后的对话会被删去。继续吗？"]
   :lesson/learning ["It learns" "正在学习"]
   :lesson/learned ["Learned: loss {before} → {after} in {seconds} s, version {version}." "已学会：损失 {before} → {after}，用时 {seconds} 秒，版本 {version}。"]
   :lesson/not ["Nothing was learned: {reason}" "什么也没学到：{reason}"]
   :lesson/kept ["{known} of {asked} earlier lessons asked again are still known." "抽查 {asked} 条以前的课程，仍记得 {known} 条。"]
   :lesson/near ["Answers to near questions changed:" "相近问题的回答变了："]
   :lesson/back ["Teach the old answers again" "把旧回答重新教回去"]
   :lesson/ask ["Ask again" "再问一次"]
   :lesson/undo ["Undo" "撤销"]
   :lessons/teach ["Teach a fact" "教一个事实"]
   :lessons/question ["Question (may be empty: then a text is learned)" "问题（留空则学习一段文字）"]
   :lessons/answer ["Answer" "回答"]
   :lessons/taught ["What was taught" "教过的内容"]
   :lessons/none ["Nothing was taught yet" "还没有教过任何内容"]
   :lessons/again ["Teach again" "再教一次"]
   :lessons/undo-sure ["Take this lesson out of the weights? Those after it are learned again without it." "把这一课从权重中去掉？其后的课程会在没有它的情况下重新学习。"]
   :lessons/retract ["Rehearse no more" "不再复习"]
   :lessons/left ["not in the weights" "不在权重中"]
   :lessons/retracted ["retracted" "已撤回"]
   :lessons/feed ["As it happens" "实时动态"]
   :lessons/quiet ["Nothing happened since the page was opened" "打开页面以来没有新动态"]
   :weights/save ["Save the weights" "保存权重"]
   :weights/name ["Name of the checkpoint" "检查点名称"]
   :weights/save-do ["Save" "保存"]
   :weights/checkpoints ["Checkpoints" "检查点"]
   :weights/none ["No checkpoints yet" "还没有检查点"]
   :weights/load ["Load" "载入"]
   :weights/load-sure ["Answer with the weights of the checkpoint {name} from now on?" "从现在起用检查点 {name} 的权重回答？"]
   :weights/versions ["Versions" "版本"]
   :weights/back ["Go back to this" "回到此版本"]
   :weights/back-sure ["Go back to version {version}? Lessons after it leave the weights; they stay on the list." "回到版本 {version}？其后的课程会离开权重，但仍留在列表中。"]
   :weights/present ["answers now" "正在使用"]
   :weights/base ["as it came" "初始权重"]
   :weights/lesson ["a lesson" "一课"]
   :weights/rehearsal ["a rehearsal" "一次复习"]
   :weights/undo ["a lesson taken out" "撤销一课"]})

(defn say
  "A sentence in a language, :en or :zh, its placeholders filled."
  ([language key] (say language key nil))
  ([language key more]
   (let [[en zh] (get sentences key)]
     (reduce (fn [text [name value]] (str/replace text (str "{" (clojure.core/name name) "}") (str value)))
             (or (if (= language :zh) zh en) (str key))
             more))))

(defn figure
  "A loss with two digits that say something; a dash for none."
  [loss]
  (cond
    (nil? loss) "–"
    (< loss 0.1) (.toFixed loss 3)
    :else (.toFixed loss 2)))

(defn short-text
  "The first line of a text, cut where it is long."
  [text limit]
  (let [line (str/trim (str/replace text #"\s+" " "))]
    (if (<= (count line) limit) line (str (str/trimr (subs line 0 (dec limit))) "…"))))

(defn moment
  "A time of the server, seconds, as the reader's clock writes it; the day where it is another."
  [seconds]
  (let [time (js/Date. (* 1000 seconds))]
    (if (= (.toDateString time) (.toDateString (js/Date.)))
      (.toLocaleTimeString time #js [] #js {:hour "2-digit" :minute "2-digit"})
      (.toLocaleDateString time #js [] #js {:month "short" :day "numeric" :hour "2-digit" :minute "2-digit"}))))
