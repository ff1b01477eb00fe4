/**
 * cote, in clear: a Responder and a Requester that find each other by broadcasts, which stay on loopback here. What it sends is JSON, so the message is a
 * text. It has no streams.
 */
import { onlyLoopback, run } from "./harness.js"

onlyLoopback()
const { default: cote } = await import("cote")

const discovery = (port) => ({ port, broadcast: "127.255.255.255", log: false, helloInterval: 500 })

run({
  serve: async ({ ports: [udp, tcp] }) => {
    const responder = new cote.Responder({ name: "echo", key: `${udp}`, port: tcp }, discovery(udp))
    responder.on("echo", async ({ text }) => text)
    return { port: 0 }
  },

  connect: async ({ ports: [udp] }) => {
    const requester = new cote.Requester({ name: "asker", key: `${udp}` }, discovery(udp))
    return { text: true, call: (text) => requester.send({ type: "echo", text }) }
  }
})
