/**
 * moleculer over its TCP transporter, in clear, with the addresses given and no discovery. What it sends is JSON, so the message is a text. Calls: an action.
 * Bulk: an action that takes a stream. To many: an event that is broadcast.
 */
import { Readable } from "node:stream"
import { chunks, counted, onlyLoopback, run } from "./harness.js"

onlyLoopback()
const { ServiceBroker } = (await import("moleculer")).default

const broker = (nodeID, ports) =>
  new ServiceBroker({
    nodeID,
    logger: false,
    transporter: {
      type: "TCP",
      options: {
        udpDiscovery: false,
        // By default it closes connections where there are more than 32, and makes them anew for each message.
        maxConnections: 1_024,
        port: ports[nodeID],
        urls: Object.entries(ports).map(([name, port]) => `tcp://127.0.0.1:${port}/${name}`)
      }
    }
  })

const two = ([server, client]) => ({ server, client })

// The first publishes.
const many = (ports) => Object.fromEntries(ports.map((port, i) => [i === 0 ? "publisher" : `subscriber${i}`, port]))

const sink = async (ctx) => {
  let count = 0
  for await (const chunk of ctx.stream) count += chunk.length
  return count
}

run({
  serve: async ({ ports }) => {
    const server = broker("server", two(ports))
    server.createService({ name: "bench", actions: { echo: (ctx) => ctx.params.text, sink } })
    await server.start()
    return { port: 0 }
  },

  connect: async ({ ports }) => {
    const client = broker("client", two(ports))
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
  },

  publisher: async ({ ports }) => {
    const publisher = broker("publisher", many(ports))
    await publisher.start()
    return { text: true, publish: (text) => void publisher.broadcast("values", { text }) }
  },

  subscriber: async ({ ports }, _hello, number, take) => {
    const subscriber = broker(`subscriber${number + 1}`, many(ports))
    subscriber.createService({ name: `reader${number}`, events: { values: (ctx) => take(ctx.params.text) } })
    await subscriber.start()
  }
})
