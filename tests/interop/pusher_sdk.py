"""The package pusher: `python pusher_sdk.py <port>` makes each call once, and tells its answer."""

import json
import sys

import pusher

client = pusher.Pusher(
    app_id="4711",
    key="app-key",
    secret="app-secret",
    host="127.0.0.1",
    port=int(sys.argv[1]),
    ssl=False,
)


def tell(event, answer):
    print(json.dumps({"event": event, "args": [answer]}), flush=True)


tell("trigger", client.trigger(["ci", "presence-a"], "e", {"n": 1}))
tell("batch", client.trigger_batch([{"channel": "ci", "name": "e", "data": "text"}]))
tell("channels", client.channels_info(prefix_filter="presence-", attributes=["user_count"]))
tell("channel", client.channel_info("ci", attributes=["subscription_count"]))
tell("users", client.users_info("presence-a"))
