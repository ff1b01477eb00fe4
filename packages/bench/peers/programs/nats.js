/**
 * NATS through a server of its own on loopback, in clear. Calls: requests to a subject, answered by a subscription's callback. Bulk: publishing to a subject,
 * with a flush, which waits for the server, after each 2 MiB: the client itself holds whatever it is given. To many: publishing to a subject, with a
 * connection and a callback for each subscriber.
 */
import { connect } from "@nats-io/transport-node"
import { chunkBytes, chunks, counted, run } from "./harness.js"

const connection = (port) => connect({ servers: `127.0.0.1:${port}`, waitOnFirstConnect: true, reconnectTimeWait: 50 })

run({
  serve: async ({ port }) => {
    const server = await connection(port)
    let count = 0
    server.subscribe("echo", { callback: (_error, message) => message.respond(message.data) })
    server.subscribe("sink", { callback: (_error, message) => count += message.data.length })
    server.subscribe("count", {
      callback: (_error, message) => {
        message.respond(`${count}`)
        count = 0
      }
    })
    await server.flush()
    return { port }
  },

  connect: async ({ chunk = chunkBytes, port }) => {
    const client = await connection(port)
    return {
      call: async (message) => (await client.request("echo", message, { timeout: 10_000 })).data,
      transfer: async (bytes) => {
        let sent = 0
        for (const each of chunks(bytes, chunk)) {
          client.publish("sink", each)
          sent += each.length
          if (sent % 2_097_152 < each.length) await client.flush()
        }
        // In order after all of them: one publisher, one subscriber.
        counted(bytes, (await client.request("count", "", { timeout: 60_000 })).string(), chunk)
      }
    }
  },

  publisher: async ({ port }) => {
    const client = await connection(port)
    return { publish: (message) => client.publish("values", message) }
  },

  subscriber: async ({ port }, _hello, _number, take) => {
    const client = await connection(port)
    client.subscribe("values", { callback: (_error, message) => take(message.data) })
    await client.flush()
  }
})
