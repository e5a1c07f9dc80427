"""
A python-socketio client, synchronous or asynchronous:

    python client.py sync|async '{"url":…,"transports":[…],"events":[…]}'

Each line on stdout is one `{"event": name, "args": […]}`. Handlers take exactly one argument, as most do.
"""

import asyncio
import json
import sys

import socketio

OPTIONS = {"reconnection_delay": 0.05, "reconnection_delay_max": 0.2, "randomization_factor": 0}


def tell(event, *args):
    sys.stdout.write(json.dumps({"event": event, "args": args}) + "\n")
    sys.stdout.flush()


def handler_of(event):
    def handle(data):
        tell(event, data)

    return handle


def run(settings):
    client = socketio.Client(**OPTIONS)
    client.on("connect", lambda: tell("connect", client.transport()))
    client.on("disconnect", lambda reason: tell("disconnect", reason))
    for event in settings["events"]:
        client.on(event, handler_of(event))
    client.connect(settings["url"], transports=settings["transports"])
    client.wait()
    tell("end")


async def run_async(settings):
    client = socketio.AsyncClient(**OPTIONS)

    async def connected():
        tell("connect", client.transport())

    async def disconnected(reason):
        tell("disconnect", reason)

    client.on("connect", connected)
    client.on("disconnect", disconnected)
    for event in settings["events"]:
        client.on(event, handler_of(event))
    await client.connect(settings["url"], transports=settings["transports"])
    await client.wait()
    tell("end")


kind, settings = sys.argv[1], json.loads(sys.argv[2])
if kind == "sync":
    run(settings)
else:
    asyncio.run(run_async(settings))
