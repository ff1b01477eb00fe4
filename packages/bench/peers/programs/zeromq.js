/**
 * ZeroMQ, with CURVE or in clear. Calls: a Dealer that numbers its messages, and a Router that sends each back. Bulk: Push to Pull, which has as much on its
 * way as the high-water mark lets it. To many: Publisher and Subscribers, with a topic in a frame of its own.
 */
import * as zmq from "zeromq"
import { chunks, counted, run } from "./harness.js"

const serving = (socket, keys) => {
  if (keys === undefined) return
  socket.curveServer = true
  socket.curveSecretKey = keys.secretKey
}

const asking = (socket, serverKey) => {
  if (serverKey === undefined) return
  const { publicKey, secretKey } = zmq.curveKeyPair()
  socket.curveServerKey = serverKey
  socket.curvePublicKey = publicKey
  socket.curveSecretKey = secretKey
}

const portOf = (socket) => Number(socket.lastEndpoint.split(":").at(-1))

let count = 0

const answer = async (router) => {
  for await (const [identity, number, message] of router) {
    await router.send([identity, number, message.length === 0 ? Buffer.from(`${count}`) : message])
  }
}

const take = async (pull) => {
  for await (const [chunk] of pull) count += chunk.length
}

run({
  serve: async ({ secure }) => {
    const keys = secure ? zmq.curveKeyPair() : undefined
    const router = new zmq.Router()
    const pull = new zmq.Pull()
    for (const socket of [router, pull]) {
      serving(socket, keys)
      await socket.bind("tcp://127.0.0.1:*")
    }
    void answer(router)
    void take(pull)
    return { port: portOf(router), hello: { bulk: portOf(pull), key: keys?.publicKey } }
  },

  connect: async (_subject, port, { bulk, key }) => {
    const dealer = new zmq.Dealer()
    const push = new zmq.Push()
    for (const socket of [dealer, push]) asking(socket, key)
    dealer.connect(`tcp://127.0.0.1:${port}`)
    push.connect(`tcp://127.0.0.1:${bulk}`)
    const open = new Map()
    let last = 0
    const read = async () => {
      for await (const [number, message] of dealer) {
        const id = number.readUInt32BE(0)
        open.get(id)(message)
        open.delete(id)
      }
    }
    void read()
    // One send at a time, as a socket that is full takes no second one.
    const waiting = []
    let sending = false
    const send = async () => {
      sending = true
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        await dealer.send(next.parts).catch(next.reject)
      }
      sending = false
    }
    const call = (message) =>
      new Promise((resolve, reject) => {
        const id = last++ >>> 0
        const number = Buffer.allocUnsafe(4)
        number.writeUInt32BE(id)
        open.set(id, resolve)
        waiting.push({ parts: [number, message], reject })
        if (!sending) void send()
      })
    let before = 0
    return {
      call,
      transfer: async (bytes) => {
        for (const chunk of chunks(bytes)) await push.send(chunk)
        const end = before + bytes
        for (;;) {
          const there = Number(await call(Buffer.alloc(0)))
          if (there < end) continue
          counted(bytes, there - before)
          before = there
          return
        }
      }
    }
  },

  publisher: async ({ secure }) => {
    const keys = secure ? zmq.curveKeyPair() : undefined
    const publisher = new zmq.Publisher()
    serving(publisher, keys)
    await publisher.bind("tcp://127.0.0.1:*")
    return {
      hello: { port: portOf(publisher), key: keys?.publicKey },
      publish: (message) => publisher.send(["values", message])
    }
  },

  subscriber: async (_subject, { key, port }, _number, take) => {
    const subscriber = new zmq.Subscriber()
    asking(subscriber, key)
    subscriber.connect(`tcp://127.0.0.1:${port}`)
    subscriber.subscribe("values")
    const read = async () => {
      for await (const [, message] of subscriber) take(message)
    }
    void read()
  }
})
