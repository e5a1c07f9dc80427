// A Socket.IO client in Go:
//
//	client '{"url":…,"transports":[…],"events":[…]}'
//
// Each line on stdout is one {"event": name, "args": […]}.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/zishang520/socket.io/clients/engine/v3/transports"
	"github.com/zishang520/socket.io/clients/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

type settings struct {
	URL        string   `json:"url"`
	Transports []string `json:"transports"`
	Events     []string `json:"events"`
}

func tell(event string, args []any) {
	line, err := json.Marshal(map[string]any{"event": event, "args": args})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func main() {
	var given settings
	if err := json.Unmarshal([]byte(os.Args[1]), &given); err != nil {
		panic(err)
	}
	options := socket.DefaultOptions()
	ways := types.NewSet[transports.TransportCtor]()
	for _, name := range given.Transports {
		if name == "polling" {
			ways.Add(transports.Polling)
		} else {
			ways.Add(transports.WebSocket)
		}
	}
	options.SetTransports(ways)
	options.SetReconnectionDelay(50)
	options.SetReconnectionDelayMax(200)
	client, err := socket.Connect(given.URL, options)
	if err != nil {
		panic(err)
	}
	client.On("connect", func(args ...any) { tell("connect", []any{client.Id()}) })
	client.On("disconnect", func(args ...any) { tell("disconnect", args) })
	for _, event := range given.Events {
		client.On(types.EventName(event), func(args ...any) { tell(event, args) })
	}
	select {}
}
