/** Who is let in to the console, over real sockets of this machine. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { keeping } from "@pnet/lab/web/keeping"
import { trickling } from "@pnet/lab/web/trickling"
import { Clock, Effect, Exit, Fiber, FileSystem, Layer, Option, Schema, Scope, Stream } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Rpc, RpcGroup, RpcSerialization, RpcServer } from "effect/rpc"
import { connect } from "node:net"
import { networkInterfaces } from "node:os"
import { cookieFor, Door } from "../src/internal/server/door.ts"
import { mostBytes, mostPages, serve, type Times, times } from "../src/internal/server/serving.ts"
import { type Answer, ask, cookieOf, inPieces, raw, unread, untilEnd, upgrade } from "./harness/http.ts"

const Group = RpcGroup.make(Rpc.make("ping", { success: Schema.String }))

/** Called where the answer of `/endless` is given up. */
let onCut = () => {}

const routes = Layer.mergeAll(
  RpcServer.layer(Group).pipe(
    Layer.provide(Group.toLayer({ ping: () => Effect.succeed("pong") })),
    Layer.provide(RpcServer.layerProtocolWebsocket({ path: "/rpc" })),
    Layer.provide(RpcSerialization.layerJson)
  ),
  HttpRouter.add(
    "POST",
    "/mcp",
    Effect.gen(function*() {
      yield* (yield* HttpServerRequest.HttpServerRequest).text
      return HttpServerResponse.text("tools")
    })
  ),
  HttpRouter.add("GET", "/slow", Effect.delay(Effect.succeed(HttpServerResponse.text("at last")), "300 millis")),
  HttpRouter.add(
    "GET",
    "/endless",
    Effect.succeed(
      HttpServerResponse.stream(
        Stream.forever(Stream.succeed(new Uint8Array(65_536))).pipe(Stream.ensuring(Effect.sync(() => onCut())))
      )
    )
  )
)

/** A console with a page of one file, for as long as the scope is open. */
const served = (options: { readonly secret?: Uint8Array; readonly port?: number; readonly times?: Times } = {}) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    yield* fs.writeFileString(`${folder}/index.html`, "<!doctype html><title>the page</title>")
    const { door, port } = yield* serve({
      port: options.port ?? 0,
      folder,
      secret: options.secret,
      routes,
      times: options.times
    })
    const link = door.link(yield* Clock.currentTimeMillis)
    return { door, folder, port, link, path: link.slice(link.indexOf("/?")) }
  })

/** One whose link was opened. */
const entered = Effect.gen(function*() {
  const place = yield* served()
  const cookie = cookieOf(yield* ask(place.port, place.path))
  return { ...place, cookie }
})

const inside = <A, E>(body: Effect.Effect<A, E, any>) =>
  Effect.scoped(body).pipe(Effect.provide(NodeServices.layer)) as Effect.Effect<A, E>

const refused = (answer: Answer, why: RegExp) => {
  assert.strictEqual(answer.status, 403)
  assert.match(answer.body, why)
  assert.notInclude(answer.body, "the page")
}

const statusesIn = (text: string) => Array.from(text.matchAll(/HTTP\/1.1 (\d+)/g), ([, status]) => Number(status))

describe("the door of the console", () => {
  it.live("lets nobody in who has not opened its link, not even to the page's files", () =>
    inside(Effect.gen(function*() {
      const { port } = yield* served()
      refused(yield* ask(port, "/"), /opened its link/)
      refused(yield* ask(port, "/index.html"), /opened its link/)
      refused(yield* ask(port, "/?token=wrong"), /of another start/)
      refused(yield* ask(port, "/mcp", { method: "POST" }), /opened its link/)
      refused(yield* ask(port, "/rpc"), /opened its link/)
      refused(
        yield* ask(port, "/", { headers: { cookie: `pnet-console-${port}=99999999999999.abc` } }),
        /opened its link/
      )
      assert.strictEqual(yield* upgrade(port, "/rpc"), 403)
    })))

  it.live("takes a link once, and then knows the browser by a cookie that no script and no other page sends", () =>
    inside(Effect.gen(function*() {
      const { path, port } = yield* served()
      const first = yield* ask(port, path)
      assert.strictEqual(first.status, 200)
      // No redirect: one that another site began goes on without the cookie.
      assert.include(first.body, "url=/\"")
      assert.include(first.body, "location.replace(\"/\"+location.hash)")
      assert.match(
        String(first.headers["set-cookie"]),
        new RegExp(`^pnet-console-${port}=[\\w.-]+; HttpOnly; SameSite=Strict; Path=/; Max-Age=\\d+$`)
      )
      const cookie = cookieOf(first)
      const page = yield* ask(port, "/", { headers: { cookie } })
      assert.strictEqual(page.status, 200)
      assert.include(page.body, "the page")
      refused(yield* ask(port, path), /used already/)
      // Whoever came in by it may open it again.
      assert.strictEqual((yield* ask(port, path, { headers: { cookie } })).status, 200)
      // Among the cookies of others.
      assert.strictEqual((yield* ask(port, "/", { headers: { cookie: `a=b; ${cookie}; c=d` } })).status, 200)
      refused(yield* ask(port, "/", { headers: { cookie: cookie.replace(/=\d/, "=9") } }), /opened its link/)
    })))

  it.live("knows no other name of this machine, as pages come by that have their own server name it", () =>
    inside(Effect.gen(function*() {
      const { cookie, path, port } = yield* entered
      for (
        const host of [
          "evil.example",
          `evil.example:${port}`,
          "127.0.0.1.evil.example",
          "localhost.evil.example:1",
          "evil.localhost",
          `evil127.0.0.1:${port}`,
          "evil@127.0.0.1"
        ]
      ) {
        refused(yield* ask(port, "/", { headers: { cookie, host } }), /names another host/)
        refused(yield* ask(port, path, { headers: { host } }), /names another host/)
        assert.strictEqual(yield* upgrade(port, "/rpc", { Cookie: cookie, Host: host }), 403)
      }
      assert.strictEqual((yield* ask(port, "/", { headers: { cookie, host: `localhost:${port}` } })).status, 200)
    })))

  it("takes no link after twelve hours, no cookie after a week, and the key of an assistant from no page", () => {
    let links = 0
    const door = new Door(new Uint8Array(32), 7_670, () => `link${++links}`)
    const judge = (url: string, now: number, headers: Readonly<Record<string, string>> = {}) =>
      door.judge({ method: "GET", url, headers: { host: "127.0.0.1:7670", ...headers } }, now)
    const pathOf = (link: string) => link.slice(link.indexOf("/?"))
    const hours = 3_600_000
    const [one, other] = [door.link(0), door.link(0)]
    const entered = judge(pathOf(one), 12 * hours - 1)
    assert.strictEqual(entered._tag, "Enter")
    const late = judge(pathOf(other), 12 * hours)
    assert.match(late._tag === "Refuse" ? late.why : late._tag, /too old/)
    const cookie = entered._tag === "Enter" ? entered.cookie.split(";", 1)[0]! : ""
    const until = 12 * hours - 1 + cookieFor
    assert.strictEqual(judge("/", until - 1, { cookie })._tag, "Pass")
    assert.strictEqual(judge("/", until, { cookie })._tag, "Refuse")
    const authorization = `Bearer ${door.assistantKey}`
    assert.strictEqual(judge("/mcp", 0, { authorization })._tag, "Pass")
    assert.strictEqual(judge("/mcp", 0, { authorization, origin: "http://127.0.0.1:7670" })._tag, "Refuse")
  })

  it.live("has no more connections than it may, and room again when one ends", () =>
    inside(Effect.gen(function*() {
      const { port } = yield* served()
      const opened = Array.from({ length: 64 }, () => connect({ host: "127.0.0.1", port }))
      yield* Effect.addFinalizer(() => Effect.sync(() => opened.forEach((socket) => socket.destroy())))
      yield* Effect.promise(() =>
        Promise.all(opened.map((socket) => new Promise((resolve) => socket.once("connect", resolve))))
      )
      const answered = Effect.map(
        raw(port, `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`),
        (status) => status > 0
      )
      assert.isFalse(yield* answered)
      opened[0]!.destroy()
      yield* Effect.repeat(answered, { until: (isAnswered) => isAnswered })
    })))

  it.live("lets go of the connection of whoever asked for a WebSocket and got none, whether he does so or not", () =>
    inside(Effect.gen(function*() {
      const { cookie, port } = yield* entered
      assert.strictEqual(yield* keeping(port, "/rpc", { upgrade: "websocket", connection: "Upgrade" }), 403)
      assert.strictEqual(yield* keeping(port, "/none", { upgrade: "websocket", connection: "Upgrade", cookie }), 404)
    })))

  it.live("ends the connection of who is not let in with the answer, whatever more he asks for on it", () =>
    inside(Effect.gen(function*() {
      const { port } = yield* served()
      const get = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`
      // Of many that ask and read nothing, each connection would be kept for as long as they like.
      assert.deepStrictEqual(statusesIn(yield* untilEnd(port, get.repeat(100))), [403])
    })))

  it.live("waits so long for a request to come whole, and for an answer to be taken", () =>
    inside(Effect.gen(function*() {
      assert.deepStrictEqual(times, { headers: 10_000, request: 60_000, unread: 60_000, looks: 5_000 })
      const soon = yield* served({ times: { headers: 100, request: 100, unread: 60_000, looks: 10 } })
      const cookie = cookieOf(yield* ask(soon.port, soon.path))
      const head = (port: number, first: string) => `${first} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`
      const post = `${head(soon.port, "POST /mcp")}Cookie: ${cookie}\r\nContent-Length: 1000\r\n\r\nless`
      // Nothing at all; a part of the headers, of a WebSocket's too; less of a body than was said, by whoever is let in.
      for (const text of ["", head(soon.port, "GET /"), `${head(soon.port, "GET /rpc")}Upgrade: websocket\r\n`, post]) {
        const answered = yield* untilEnd(soon.port, text).pipe(Effect.timeout("10 seconds"))
        assert.deepStrictEqual(statusesIn(answered), [408], text)
      }
      const { path, port } = yield* served({ times: { ...times, unread: 100 } })
      const entering = cookieOf(yield* ask(port, path))
      const cut = yield* Effect.forkScoped(
        Effect.callback<void>((resume) => void (onCut = () => resume(Effect.void))),
        { startImmediately: true }
      )
      yield* unread(port, `${head(port, "GET /endless")}Cookie: ${entering}\r\n\r\n`)
      yield* Fiber.join(cut).pipe(Effect.timeout("10 seconds"))
      // Who takes it, however long nothing of an answer comes, gets all of it; and a page may be as quiet as it likes.
      const options = { headers: { cookie: entering, origin: `http://127.0.0.1:${port}` } }
      const page = new WebSocket(`ws://127.0.0.1:${port}/rpc`, options as never)
      yield* Effect.callback<void>((resume) => void (page.onopen = () => resume(Effect.void)))
      assert.strictEqual((yield* ask(port, "/slow", { headers: { cookie: entering } })).body, "at last")
      const heard = yield* Effect.callback<string>((resume) => {
        page.onmessage = () => resume(Effect.succeed("pong"))
        page.onclose = () => resume(Effect.succeed("closed"))
        page.send(`{"_tag":"Ping"}`)
      })
      page.close()
      assert.strictEqual(heard, "pong")
    })))

  it.live("reads no body of more than a mebibyte", () =>
    inside(Effect.gen(function*() {
      const { cookie, port } = yield* entered
      const post = (bytes: number) =>
        ask(port, "/mcp", { method: "POST", headers: { cookie }, body: "x".repeat(bytes) })
      assert.strictEqual((yield* post(1_048_577)).status, 413)
      assert.notStrictEqual((yield* post(1_048_576)).status, 413)
      // What says so is answered before anything of it comes, wherever it goes; what says no length, when it was too long.
      const begins = (path: string, length: string, body = "") =>
        raw(
          port,
          `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nCookie: ${cookie}\r\n${length}\r\n\r\n${body}`
        ).pipe(Effect.timeout("10 seconds"))
      assert.strictEqual(yield* begins("/mcp", "Content-Length: 1048577"), 413)
      assert.strictEqual(yield* begins("/none", "Content-Length: 9007199254740993"), 413)
      const piece = `80000\r\n${"x".repeat(0x80000)}\r\n`
      assert.strictEqual(
        yield* begins("/mcp", "Transfer-Encoding: chunked", `${piece}${piece}1\r\nx\r\n0\r\n\r\n`),
        413
      )
    })))

  it.live("refuses what is no request of a browser, and breaks at nothing", () =>
    inside(Effect.gen(function*() {
      const { cookie, port } = yield* entered
      const get = (path: string, lines: string) => `GET ${path} HTTP/1.1\r\n${lines}Cookie: ${cookie}\r\n\r\n`
      const host = `Host: 127.0.0.1:${port}\r\n`
      const statuses = yield* Effect.forEach([
        get("/", "Host: 127.0.0.1:99999\r\n"),
        get("/", "Host: 127.0.0.1:0\r\n"),
        get("/", "Host:\r\n"),
        get("/", `Host: ${"a".repeat(9_000)}\r\n`),
        get("/", `${host}Host: evil.example\r\n`),
        get("/", ""),
        get("http://127.0.0.1:99999/", host),
        get("http://[/", host),
        get("http://evil.example/?token=%", host),
        get("//[", host),
        get("/%zz", host),
        get("/%00", host),
        get(`/${"a".repeat(300)}`, host),
        get(`/${"a/".repeat(1_000)}`, host),
        get(`/${"a/".repeat(2_000)}`, host),
        get("/", `${host}Cookie: ${"a=%;".repeat(2_000)}\r\n`),
        `GET / HTTP/1.1\r\n${host}Cookie: ;;=;=%;pnet-console-${port};pnet-console-${port}==.\r\n\r\n`
      ], (text) => raw(port, text))
      assert.deepStrictEqual(
        statuses,
        [403, 403, 403, 403, 403, 400, 403, 403, 403, 403, 404, 404, 404, 404, 403, 200, 403]
      )
    })))

  it.live("says to who looks at it what happened and what to do", () =>
    inside(Effect.gen(function*() {
      const { path, port } = yield* served()
      const look = (path: string) => ask(port, path, { headers: { accept: "text/html,*/*;q=0.8" } })
      const isPage = ({ body, headers, status }: Answer, what: string) => {
        assert.strictEqual(status, 403)
        assert.include(String(headers["content-type"]), "text/html")
        assert.include(body, `<h1>${what}`)
        assert.include(body, "<code>pnet console</code>")
      }
      isPage(yield* look("/"), "The console lets in who has opened its link")
      yield* look(path)
      isPage(yield* look(path), "This link was used already")
      isPage(yield* look("/?token=<b>"), "This link is of another start of the console")
    })))

  it.live("says that a page was not built, and where there is nothing, to those it lets in", () =>
    inside(Effect.gen(function*() {
      const { cookie, folder, port } = yield* entered
      const look = (path: string, accept = "text/html") => ask(port, path, { headers: { cookie, accept } })
      for (const path of ["/none", `/${"x".repeat(300)}`]) {
        const { body, status } = yield* look(path)
        assert.strictEqual(status, 404)
        assert.include(body, "<h1>There is nothing here")
      }
      yield* FileSystem.FileSystem.use((fs) => fs.remove(`${folder}/index.html`))
      for (const path of ["/", "/index.html"]) {
        const { body, status } = yield* look(path)
        assert.strictEqual(status, 404)
        assert.include(body, "<h1>The page of the console is not built")
        assert.include((yield* look(path, "*/*")).body, "exec node packages/console/buildPage.ts")
      }
    })))

  it.live("answers no other page, though the browser sends the cookie along", () =>
    inside(Effect.gen(function*() {
      const { cookie, port } = yield* entered
      for (
        const origin of [
          "http://evil.example",
          `http://127.0.0.1:${port + 1}`,
          `http://localhost:${port}`,
          `https://127.0.0.1:${port}`,
          "null"
        ]
      ) {
        refused(yield* ask(port, "/", { headers: { cookie, origin } }), /comes from another one/)
        refused(yield* ask(port, "/mcp", { method: "POST", headers: { cookie, origin } }), /comes from another one/)
        assert.strictEqual(yield* upgrade(port, "/rpc", { Cookie: cookie, Origin: origin }), 403)
      }
      for (const site of ["cross-site", "same-site"]) {
        refused(yield* ask(port, "/", { headers: { cookie, "sec-fetch-site": site } }), /comes from another one/)
      }
      const origin = `http://127.0.0.1:${port}`
      assert.strictEqual(yield* upgrade(port, "/rpc", { Cookie: cookie, Origin: origin }), 101)
      assert.strictEqual(
        (yield* ask(port, "/", { headers: { cookie, origin, "sec-fetch-site": "same-origin" } })).status,
        200
      )
    })))

  it.live("gives assistants the tools by a key of their own, and nothing else by it", () =>
    inside(Effect.gen(function*() {
      const { door, port } = yield* served()
      const authorization = `Bearer ${door.assistantKey}`
      assert.strictEqual((yield* ask(port, "/mcp", { method: "POST", headers: { authorization } })).body, "tools")
      for (const path of ["/index.html/../mcp", "//x/mcp", "/index.html\\..\\mcp", "/index.html/%2e%2e/mcp"]) {
        refused(yield* ask(port, path, { headers: { authorization } }), /opened its link/)
      }
      refused(
        yield* ask(port, "/mcp", { method: "POST", headers: { authorization: "Bearer wrong" } }),
        /opened its link/
      )
      refused(yield* ask(port, "/", { headers: { authorization } }), /opened its link/)
      assert.strictEqual(yield* upgrade(port, "/rpc", { Authorization: authorization }), 403)
      refused(
        yield* ask(port, "/mcp", { method: "POST", headers: { authorization, origin: "http://evil.example" } }),
        /comes from another one/
      )
    })))

  it.live("knows a browser again after a restart where the secret is the same, and otherwise not", () =>
    inside(Effect.gen(function*() {
      const secret = new Uint8Array(32).fill(7)
      const [port, cookie] = yield* Effect.scoped(Effect.gen(function*() {
        const { path, port } = yield* served({ secret })
        return [port, cookieOf(yield* ask(port, path))] as const
      }))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* served({ secret, port })
        assert.strictEqual((yield* ask(port, "/", { headers: { cookie } })).status, 200)
      }))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* served({ port })
        refused(yield* ask(port, "/", { headers: { cookie } }), /opened its link/)
      }))
    })))
})

describe("what the console answers", () => {
  it.live("lets the page load and run nothing but its own files, and be in no frame", () =>
    inside(Effect.gen(function*() {
      const { cookie, door, port } = yield* entered
      const link = door.link(yield* Clock.currentTimeMillis)
      const path = link.slice(link.indexOf("/?"))
      for (
        const answer of [
          yield* ask(port, "/", { headers: { cookie } }),
          yield* ask(port, "/none", { headers: { cookie } }),
          yield* ask(port, "/"),
          yield* ask(port, "/", { headers: { accept: "text/html" } }),
          yield* ask(port, path)
        ]
      ) {
        const policy = String(answer.headers["content-security-policy"])
        assert.match(policy, /^default-src 'none'; /)
        // Pages of the door have none but what stands in them; files are the page's own.
        for (const source of ["script", "style"]) {
          assert.match(policy, new RegExp(`; ${source}-src ('self'|'sha256-[\\w+/]{43}=');|^(?!.*${source}-src)`))
        }
        assert.notInclude(policy, "unsafe")
        assert.include(policy, "frame-ancestors 'none'")
        assert.strictEqual(answer.headers["x-content-type-options"], "nosniff")
        assert.strictEqual(answer.headers["referrer-policy"], "no-referrer")
        assert.strictEqual(answer.headers["cross-origin-opener-policy"], "same-origin")
        assert.strictEqual(answer.headers["x-frame-options"], "DENY")
        assert.isUndefined(answer.headers["access-control-allow-origin"])
      }
    })))

  it.live("is not sent again where the browser has it, and is of the page's folder alone", () =>
    inside(Effect.gen(function*() {
      const { cookie, port } = yield* entered
      const first = yield* ask(port, "/", { headers: { cookie } })
      const tag = String(first.headers["etag"])
      assert.strictEqual((yield* ask(port, "/", { headers: { cookie, "if-none-match": tag } })).status, 304)
      for (const path of ["/../secret", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd"]) {
        assert.notStrictEqual((yield* ask(port, path, { headers: { cookie } })).status, 200, path)
      }
    })))

  it.live("ends a page that sends more at once than there may be", () =>
    inside(Effect.gen(function*() {
      const { cookie, port } = yield* entered
      const sends = (bytes: number) =>
        Effect.callback<number>((resume) => {
          // Node's own takes headers, which a browser's does not.
          const options = { headers: { cookie, origin: `http://127.0.0.1:${port}` } }
          const socket = new WebSocket(`ws://127.0.0.1:${port}/rpc`, options as never)
          socket.onopen = () => socket.send(`{"_tag":"Ping"}${" ".repeat(bytes)}`)
          socket.onmessage = () => {
            resume(Effect.succeed(0))
            socket.close()
          }
          socket.onclose = ({ code }) => resume(Effect.succeed(code))
        })
      assert.strictEqual(yield* sends(10), 0)
      assert.strictEqual(yield* sends(mostBytes), 1009)
      // And one that sends a message in more pieces than a browser makes of it.
      const ping = (pieces: number) =>
        inPieces(port, "/rpc", {
          headers: { cookie, origin: `http://127.0.0.1:${port}` },
          pieces,
          text: `{"_tag":"Ping"}`
        })
      assert.strictEqual(yield* ping(256), 0)
      assert.strictEqual(yield* ping(257), 1008)
      // Or byte by byte, of which each takes hundreds to be kept.
      assert.strictEqual(yield* trickling(port, "/rpc", { cookie, origin: `http://127.0.0.1:${port}` }), 1008)
      const body = "x".repeat(mostBytes + 1)
      const long = yield* ask(port, "/mcp", { method: "POST", headers: { cookie }, body })
      assert.strictEqual(long.status, 413)
    })))

  it.live("is given to this machine alone, and to so many pages", () =>
    inside(Effect.gen(function*() {
      const { cookie, port } = yield* entered
      const own = Object.values(networkInterfaces()).flat().filter((one) =>
        one?.internal === false && one.family === "IPv4"
      )
      for (const { address } of own as ReadonlyArray<{ readonly address: string }>) {
        const outcome = yield* Effect.callback<string>((resume) => {
          const socket = connect({ host: address, port }, () => resume(Effect.succeed("open")))
          socket.on("error", () => resume(Effect.succeed("refused")))
        })
        assert.strictEqual(outcome, "refused")
      }
      // The router takes one path for another, and each is a page's.
      const paths = ["/rpc", "/rpc/", "//rpc", "/RPC", "/rpc?x", "/rpc#x", "/rpc;x", "/%72pc"]
      for (let i = 0; i < mostPages; i++) {
        const path = i < paths.length - 1 ? paths[i]! : "/rpc"
        assert.strictEqual(yield* upgrade(port, path, { Cookie: cookie }), 101, path)
      }
      for (const path of paths) assert.strictEqual(yield* upgrade(port, path, { Cookie: cookie }), 503, path)
    })))

  it.live(
    "ends while pages are open, also those that do not answer when they are told so",
    () =>
      inside(Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { cookie, port } = yield* Scope.provide(entered, scope)
        // They read nothing of what a WebSocket says.
        for (let i = 0; i < 2; i++) assert.strictEqual(yield* upgrade(port, "/rpc", { Cookie: cookie }), 101)
        // What closes a scope cannot be interrupted.
        const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void), { startImmediately: true })
        const closed = yield* Effect.timeoutOption(Fiber.await(closing), "20 seconds")
        assert.isTrue(Option.isSome(closed))
      })),
    60_000
  )
})
