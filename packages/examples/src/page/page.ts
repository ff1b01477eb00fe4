/// <reference lib="dom" />
/**
 * A page that shows the nodes of a LAN, and calls them: a node in the browser, connected to the one on the server that it came from.
 */
import { CommandNode } from "@pnet/core"
import { WebPnet } from "@pnet/web"
import { Effect, Layer, Stream } from "effect"
import { Lan } from "./lan.ts"

// The server says in the page which network it is.
const networkId = document.documentElement.dataset["network"]!

const element = (name: string, text: string, ...children: ReadonlyArray<Node>): HTMLElement => {
  const made = document.createElement(name)
  made.append(text, ...children)
  return made
}

const program = Effect.gen(function*() {
  const node = yield* CommandNode.CommandNode
  yield* node.peers.awaitPeer("server")
  const lan = yield* node.client(Lan, "server")
  const run = Effect.runForkWith(yield* Effect.context<never>())

  const call = (peer: string, name: string) => {
    const args = prompt(`Arguments of ${name}, as JSON`, "[20, 22]") ?? "[]"
    run(
      Effect.match(lan.call({ node: peer, name, args }), {
        onFailure: (error) => `failed: ${typeof error === "string" ? error : error.message}`,
        onSuccess: (answer) => answer
      }).pipe(Effect.map((answer) => {
        document.querySelector("output")!.textContent = `${peer}.${name}: ${answer}`
      }))
    )
  }

  yield* Stream.runForEach(lan.nodes(), (nodes) =>
    Effect.sync(() => {
      const rows = nodes.map(({ functions, name }) => {
        const buttons = functions.map((each) => {
          const button = element("button", each)
          button.onclick = () => call(name, each)
          return button
        })
        return element("li", `${name} `, ...buttons)
      })
      document.body.replaceChildren(
        element("h1", `What ${node.name} sees of the LAN`),
        element("ul", "", ...rows),
        element("output", "")
      )
    }))
})

// The server may be gone for a while: then it begins anew.
const Page = CommandNode.layer({ name: "page", networkId }).pipe(
  Layer.provide(WebPnet.layer({ peers: [`${location.origin.replace("http", "ws")}/pnet`] }))
)

Effect.runFork(program.pipe(
  Effect.scoped,
  Effect.catchCause(Effect.logWarning),
  Effect.andThen(Effect.sleep("1 second")),
  Effect.forever,
  Effect.provide(Page)
))
