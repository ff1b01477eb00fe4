/**
 * moleculer over its TCP transporter, in clear, with the addresses given and no discovery. What it sends is JSON, so the message is a text. Calls: an action.
 * Bulk: an action that takes a stream.
 */
import { Readable } from "node:stream"
import { chunks, counted, onlyLoopback, run } from "./harness.js"

onlyLoopback()
const { ServiceBroker } = (await import("moleculer")).default

const broker = (nodeID, [server, client]) =>
  new ServiceBroker({
    nodeID,
    logger: false,
    transporter: {
      type: "TCP",
      options: {
        udpDiscovery: false,
        port: nodeID === "server" ? server : client,
        urls: [`tcp://127.0.0.1:${server}/server`, `tcp://127.0.0.1:${client}/client`]
      }
    }
  })

const sink = async (ctx) => {
  let count = 0
  for await (const chunk of ctx.stream) count += chunk.length
  return count
}

run({
  serve: async ({ ports }) => {
    const server = broker("server", ports)
    server.createService({ name: "bench", actions: { echo: (ctx) => ctx.params.text, sink } })
    await server.start()
    return { port: 0 }
  },

  connect: async ({ ports }) => {
    const client = broker("client", ports)
    await client.start()
    await client.waitForServices("bench")
    return {
      text: true,
      call: (text) => client.call("bench.echo", { text }),
      transfer: async (bytes) => {
        const stream = Readable.from(chunks(bytes), { objectMode: false })
        counted(bytes, await client.call("bench.sink", {}, { stream }))
      }
    }
  }
})
