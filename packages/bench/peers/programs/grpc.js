/**
 * gRPC for Node over TLS. Calls: a unary method with a field of bytes. Bulk: a stream of the client's, whose writer waits for `drain`.
 */
import * as grpc from "@grpc/grpc-js"
import { loadSync } from "@grpc/proto-loader"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { chunks, counted, run } from "./harness.js"

const file = fileURLToPath(new URL("./echo.proto", import.meta.url))
const { Echo } = grpc.loadPackageDefinition(loadSync(file, { longs: Number })).bench

run({
  serve: async ({ certificate, key }) => {
    const server = new grpc.Server()
    server.addService(Echo.service, {
      Call: ({ request }, callback) => callback(null, { data: request.data }),
      Sink: (stream, callback) => {
        let count = 0
        stream.on("data", ({ data }) => {
          count += data.length
        })
        stream.on("end", () => callback(null, { count }))
      }
    })
    const credentials = grpc.ServerCredentials.createSsl(null, [{
      private_key: Buffer.from(key),
      cert_chain: Buffer.from(certificate)
    }])
    const port = await new Promise((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", credentials, (error, port) => error === null ? resolve(port) : reject(error))
    )
    return { port }
  },

  connect: async ({ certificate }, port) => {
    const client = new Echo(`localhost:${port}`, grpc.credentials.createSsl(Buffer.from(certificate)))
    return {
      call: (data) =>
        new Promise((resolve, reject) =>
          client.Call({ data }, (error, answer) => error === null ? resolve(answer.data) : reject(error))
        ),
      transfer: async (bytes) => {
        let end
        const answer = new Promise((resolve, reject) => {
          end = (error, answer) => error === null ? resolve(answer) : reject(error)
        })
        const stream = client.Sink(end)
        for (const data of chunks(bytes)) {
          if (!stream.write({ data })) await once(stream, "drain")
        }
        stream.end()
        counted(bytes, (await answer).count)
      }
    }
  }
})
