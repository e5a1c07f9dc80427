// Pusher's server SDK in Go:
//
//	client PORT
//
// makes each call once. Each line on stdout is the answer to one: {"event": name, "args": [answer]}.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/pusher/pusher-http-go/v5"
)

func tell(event string, answer any, err error) {
	if err != nil {
		answer = err.Error()
	}
	line, err := json.Marshal(map[string]any{"event": event, "args": []any{answer}})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func main() {
	client := pusher.Client{
		AppID:  "4711",
		Key:    "app-key",
		Secret: "app-secret",
		Host:   "127.0.0.1:" + os.Args[1],
	}
	tell("trigger", nil, client.TriggerMulti([]string{"ci", "presence-a"}, "e", map[string]int{"n": 1}))
	info := "user_count,subscription_count"
	told, err := client.TriggerWithParams("presence-a", "e", "text", pusher.TriggerParams{Info: &info})
	tell("info", told, err)
	batch, err := client.TriggerBatch([]pusher.Event{{Channel: "ci", Name: "e", Data: "text"}})
	tell("batch", batch, err)
	prefix, count := "presence-", "user_count"
	channels, err := client.Channels(pusher.ChannelsParams{FilterByPrefix: &prefix, Info: &count})
	tell("channels", channels, err)
	count = "subscription_count"
	channel, err := client.Channel("ci", pusher.ChannelParams{Info: &count})
	tell("channel", channel, err)
	users, err := client.GetChannelUsers("presence-a")
	tell("users", users, err)
	tell("user", nil, client.SendToUser("7", "e", map[string]int{}))
}
