/** Senders and receivers that mean harm: nothing outside of the folder is touched, and whatever they send ends in a typed error. */
import { assert, describe, it } from "@effect/vitest"
import { SimFileSystem } from "@pnet/testing"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import type * as FileBatches from "../src/FileBatches.ts"
import * as FileHash from "../src/FileHash.ts"
import * as Landing from "../src/internal/landing.ts"
import { partialFolder } from "../src/internal/names.ts"
import type * as Pulling from "../src/internal/pulling.ts"
import * as Receiving from "../src/internal/receiving.ts"
import * as Serving from "../src/internal/serving.ts"
import * as Wire from "../src/internal/wire.ts"
import { hostileNames } from "./corpus.ts"
import { batchesOver, bytesOf, lengths, offer, receive, type Sender, sourceOf } from "./engine.ts"
import { random } from "./random.ts"

const text = "owned"
const hashOf = (bytes: Uint8Array) => {
  const hash = FileHash.portable()
  hash.update(bytes)
  return hash.digest()
}
const digest = () => hashOf(new TextEncoder().encode(text))

/** Names at the top of a list, as an offer says them. */
const topOf = (entries: ReadonlyArray<Wire.Entry>): ReadonlyArray<string> => {
  let depth = 0
  return entries.flatMap((entry) => {
    const isTop = depth === 0 && "name" in entry
    depth += entry._tag === "Folder" ? 1 : entry._tag === "Leave" ? -1 : 0
    return isTop ? [entry.name] : []
  })
}

/** A sender that says whatever it is told to, and answers each file with the same. */
const liar = (
  entries: ReadonlyArray<Wire.Entry>
): { readonly sender: Sender; readonly source: Pulling.Source<string> } => {
  const out = new Wire.Writer()
  for (const entry of entries) Wire.writeEntry(out, entry)
  Wire.writeEntry(out, { _tag: "End" })
  const count = (tag: Wire.Entry["_tag"]) => entries.filter(({ _tag }) => _tag === tag).length
  const head: Wire.OfferHead = {
    id: new Uint8Array(16),
    digest: new Uint8Array(32),
    files: count("File"),
    folders: count("Folder"),
    links: count("Link"),
    bytes: text.length * count("File"),
    names: topOf(entries),
    note: ""
  }
  const answer = Wire.writeBegin(new Wire.Writer())
  Wire.writeChunkHead(answer, text.length).raw(new TextEncoder().encode(text))
  const one = Wire.writeEnd(answer, digest()).take()
  return {
    sender: { head, reading: undefined as never, scanned: undefined as never },
    source: {
      list: Stream.succeed(out.take()),
      read: (asked) =>
        Stream.unwrap(Effect.gen(function*() {
          const pull = yield* Stream.toPull(asked)
          const heading = yield* Serving.heading(pull)
          const wants = Wire.wants()
          wants.push(heading!.rest)
          return Stream.fromPull(Effect.succeed(Effect.map(pull, (parts) => {
            for (const part of parts) wants.push(part)
            const answers: Array<Uint8Array> = []
            while (wants.next() !== undefined) answers.push(one)
            return [new Uint8Array(0), ...answers] as [Uint8Array, ...Array<Uint8Array>]
          })))
        }))
    }
  }
}

const file = (name: string): Wire.Entry => ({ _tag: "File", name, size: text.length, mode: 0o644, mtime: 1 })
const folder = (name: string): Wire.Entry => ({ _tag: "Folder", name, mode: 0o755, mtime: 1 })
const link = (name: string, target: string): Wire.Entry => ({ _tag: "Link", name, target })
const leave: Wire.Entry = { _tag: "Leave" }

/** A disk with things outside of the folder that nobody is to touch, and what there is of them. */
const guarded = () => {
  const disk = SimFileSystem.make()
  disk.makeFolder("/home/inbox")
  disk.put("/home/secret", "secret", { mtime: 5 })
  disk.put("/etc/passwd", "root", { mtime: 5 })
  disk.link("/home/inbox/out", "/etc")
  disk.link("/home/inbox/file", "/home/secret")
  const outside = () =>
    JSON.stringify(
      [...disk.tree("/")].filter(([path]) => !path.startsWith("home/inbox")).map(([path, { bytes, mode, mtime }]) =>
        path === "home" ? path : [path, [...bytes], mode, mtime]
      )
    )
  return { disk, outside }
}

const wholeOrNothing = (disk: SimFileSystem.SimDisk) => {
  for (const [path, { bytes, type }] of disk.tree("/home/inbox")) {
    if (type === "File" && !path.startsWith(partialFolder)) {
      assert.strictEqual(new TextDecoder().decode(bytes), text, path)
    }
  }
}

describe("a hostile sender", () => {
  it.effect("touches nothing outside of the folder, whatever names, folders and links it says", () =>
    Effect.gen(function*() {
      const names = hostileNames.map(([name]) => name).filter((name) =>
        !/\p{Surrogate}/u.test(name) && name.length < 300
      )
      const trees: ReadonlyArray<ReadonlyArray<Wire.Entry>> = [
        names.map(file),
        names.flatMap((name) => [folder(name), file("x"), leave]),
        names.map((name) => link(name, "x")),
        names.map((name, index) => link(`l${index}`, name)),
        // Through links that are there already, and those that it makes itself.
        [folder("out"), file("passwd"), leave, file("file")],
        [folder("file"), file("x"), leave],
        [link("a", "."), file("x")],
        [folder("d"), link("up", ".."), link("upper", "../.."), link("abs", "/etc"), file("x"), leave],
        [folder("d"), link("self", "self"), link("far", "b/../../.."), leave],
        [folder(partialFolder), file("journal"), leave]
      ]
      for (const [index, entries] of trees.entries()) {
        for (const collisions of ["rename", "overwrite", "skip"] as const) {
          const { disk, outside } = guarded()
          const before = outside()
          const { sender, source } = liar(entries)
          yield* Effect.result(receive(sender, { mount: disk.mount(), folder: "/home/inbox", collisions, source }))
          assert.strictEqual(outside(), before, `tree ${index}, ${collisions}`)
          wholeOrNothing(disk)
          // Nor does a link that it has made lead there, for whoever reads it later.
          const paths = yield* Path.Path
          for (const [path, { bytes, type }] of disk.tree("/home/inbox")) {
            if (type !== "SymbolicLink" || path === "out" || path === "file") continue
            const to = paths.resolve("/home/inbox", paths.dirname(path), new TextDecoder().decode(bytes))
            assert.match(to, /^\/home\/inbox(?:$|\/)/, `tree ${index}, ${collisions}: ${path}`)
          }
        }
      }
    }).pipe(Effect.provide(Path.layer)))

  it.effect("finds no other place for what is not whole, where somebody has put a link in its place", () =>
    Effect.gen(function*() {
      for (const at of [partialFolder, `${partialFolder}/${"0".repeat(4)}`]) {
        const { disk, outside } = guarded()
        if (at !== partialFolder) disk.makeFolder(`/home/inbox/${partialFolder}`)
        disk.makeFolder("/etc/part")
        disk.link(`/home/inbox/${at}`, "/etc/part")
        const before = outside()
        const paths = yield* Path.Path
        const error = yield* Effect.flip(Effect.scoped(Landing.open({
          fs: disk.mount().fileSystem,
          paths,
          folder: "/home/inbox",
          rules: "posix",
          collisions: "rename",
          links: "inside",
          modes: true,
          umask: 0,
          durable: false,
          hash: FileHash.portable,
          key: "0".repeat(4),
          entries: 100
        })))
        assert.strictEqual(error.kind, "InTheWay")
        assert.strictEqual(outside(), before)
      }
    }).pipe(Effect.provide(Path.layer)))

  it.effect("has what does not keep to the protocol end the transfer, with its reason", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [string, ReadonlyArray<Wire.Entry>, Partial<Wire.OfferHead>?]> = [
        ["has a name twice", [file("a"), file("a")]],
        ["has a name twice", [folder("a"), leave, file("a")]],
        ["longer than what it offered", [file("a"), file("b")], { files: 1 }],
        ["longer than what it offered", [file("a"), file("b")], { files: 1, links: 1, bytes: 10 }],
        ["longer than what it offered", [file("a"), file("b")], { bytes: 6 }],
        ["longer than what it offered", [folder("a"), leave, folder("b"), leave], { folders: 1 }],
        ["leaves a folder", [leave], { folders: 1 }],
        ["has no end", [folder("a")]],
        ["follows the end", [{ _tag: "End" }]],
        ["another name at the top", [file("holiday.jpg"), file(".bashrc")], { names: ["holiday.jpg"] }],
        ["another name at the top", [folder("d"), file("x"), leave, link(".profile", "d/x")], { names: ["d", "e"] }]
      ]
      for (const [reason, entries, head] of cases) {
        const { disk } = guarded()
        const { sender, source } = liar(entries)
        const error = yield* Effect.flip(
          receive({ ...sender, head: { ...sender.head, ...head } }, {
            mount: disk.mount(),
            folder: "/home/inbox",
            source
          })
        )
        assert.include(String(error), reason)
      }
    }))

  it.effect("is asked for nothing under a name that has another key by now", () =>
    Effect.gen(function*() {
      const { disk } = guarded()
      const paths = yield* Path.Path
      const asked: Array<string> = []
      let now = "the key of bob"
      // Of the node, what takes an offer uses no more.
      const node = {
        publicKey: "our key",
        peers: { resolveOne: () => Effect.sync(() => ({ name: "bob", publicKey: now })) },
        send: (_: string, command: string) => {
          asked.push(command)
          return Stream.empty
        }
      } as unknown as Receiving.Options["node"]
      const receiver = yield* Receiving.make({
        node,
        fs: disk.mount().fileSystem,
        paths,
        hash: FileHash.portable,
        batches: undefined,
        large: undefined,
        folder: "/home/inbox",
        perPeer: false,
        verdict: () => Effect.succeed("accept"),
        decideWithin: Duration.minutes(1),
        keep: Duration.days(1),
        silence: Duration.minutes(1),
        bytes: Infinity,
        files: Infinity,
        fileSize: Infinity,
        collisions: "rename",
        links: "inside",
        modes: true,
        umask: 0,
        durable: false,
        rules: "posix",
        limits: { entries: 1_000, depth: 8, waiting: 4, transfers: 4 }
      })
      const handle = Stream.runDrain(receiver.handle(
        {
          from: { name: "bob", publicKey: "the key of bob" },
          whole: Effect.succeed(Wire.writeOffer(liar([file("a")]).sender.head))
        } as unknown as Parameters<typeof receiver.handle>[0]
      ))
      now = "another key"
      const error = yield* Effect.flip(handle)
      assert.strictEqual((error as { readonly _tag?: string })._tag, "SenderGone")
      assert.deepStrictEqual(asked, [])
      now = "the key of bob"
      yield* Effect.flip(handle)
      assert.include(asked, Receiving.functions.list)
    }).pipe(Effect.scoped, Effect.provide(Path.layer)))

  it.effect("has what is too large, or too deep, left out, and the rest arrives", () =>
    Effect.gen(function*() {
      const { disk } = guarded()
      const deep = Array.from({ length: 66 }, () => folder("d"))
      const { sender, source } = liar([...deep, file("deepest"), ...deep.map(() => leave), file("a")])
      const received = yield* receive(sender, { mount: disk.mount(), folder: "/home/inbox", source })
      const path = (depth: number) => Array.from({ length: depth }, () => "d").join("/")
      assert.deepStrictEqual(received.problems.map(({ kind, path }) => [kind, path]), [["PathTooLong", path(65)]])
      assert.deepStrictEqual([received.counts.files, received.counts.failed], [1, 3])
      assert.strictEqual(disk.text("/home/inbox/a"), text)
      assert.strictEqual(disk.tree(`/home/inbox/${path(63)}`).size, 1)
      // Of a file as large as may be, and one larger than that.
      for (const [fileSize, files, failed] of [[text.length, 1, 0], [text.length - 1, 0, 1]] as const) {
        const { disk } = guarded()
        const { sender, source } = liar([folder("d"), leave, file("a")])
        const received = yield* receive(sender, { mount: disk.mount(), folder: "/home/inbox", source, fileSize })
        assert.deepStrictEqual([received.counts.files, received.counts.failed], [files, failed])
        assert.strictEqual(disk.tree("/home/inbox").get("a")?.size, files === 1 ? text.length : undefined)
        assert.strictEqual(disk.tree("/home/inbox").get("d")?.type, "Directory")
        assert.deepStrictEqual(received.problems.map(({ kind }) => kind), failed === 1 ? ["TooLarge"] : [])
      }
    }))

  it.effect("that ends its answers before its list is at its end is not waited for, and has sent nothing", () =>
    Effect.gen(function*() {
      for (const count of [3, 3_000]) {
        const { disk } = guarded()
        const { sender, source } = liar(Array.from({ length: count }, (_, index) => file(`${index}`)))
        const ended = yield* Deferred.make<void>()
        const error = yield* Effect.flip(receive(sender, {
          mount: disk.mount(),
          folder: "/home/inbox",
          source: {
            list: Stream.concat(
              Stream.fromEffectDrain(Effect.andThen(Deferred.await(ended), Effect.yieldNow)),
              source.list
            ),
            read: () => Stream.unwrap(Effect.as(Deferred.succeed(ended, undefined), Stream.empty))
          }
        }))
        assert.include(String(error), "stopped in the midst")
      }
    }))

  it.effect("replaces nothing that others have put meanwhile into the folder that it has made", () =>
    Effect.gen(function*() {
      for (const collisions of ["rename", "skip"] as const) {
        const { disk } = guarded()
        const { sender, source } = liar([folder("photos"), file("a"), leave])
        const received = yield* receive(sender, {
          mount: disk.mount(),
          folder: "/home/inbox",
          collisions,
          source: {
            list: source.list,
            read: (asked) =>
              Stream.tap(
                source.read(asked),
                () => Effect.sync(() => void disk.put("/home/inbox/photos/a", "another's"))
              )
          }
        })
        assert.strictEqual(disk.text("/home/inbox/photos/a"), "another's")
        assert.strictEqual(disk.text("/home/inbox/photos/a (1)"), collisions === "rename" ? text : undefined)
        assert.strictEqual(received.counts.failed, 0)
      }
    }))

  it.effect("has no folder cost as much as its path, however deep it is", () =>
    Effect.gen(function*() {
      const { disk } = guarded()
      const paths = yield* Path.Path
      const landing = yield* Landing.open({
        fs: disk.mount().fileSystem,
        paths,
        folder: "/home/inbox",
        rules: "posix",
        collisions: "rename",
        links: "inside",
        modes: true,
        umask: 0,
        durable: false,
        hash: FileHash.portable,
        key: "0123",
        entries: 100
      })
      let at = landing.top
      for (let depth = 0; depth < 20; depth++) {
        const name = String.fromCharCode(97 + depth).repeat(100)
        const shown = `${at.shown}/${name}`
        const inner = yield* landing.enter(at, shown, paths.join(at.path, name), 0o750, 5)
        // What is kept until the end is its name, and the one that it is in.
        const { above, ...own } = inner.entered!
        assert.strictEqual(above, at.entered)
        assert.deepStrictEqual(own, { name, mode: 0o750, mtime: 5, made: true })
        at = inner
      }
      yield* landing.leave((problem) => assert.fail(problem.message))
      const made = disk.tree("/home/inbox").get(at.path.slice("/home/inbox/".length))
      assert.deepStrictEqual([made?.mode, made?.mtime], [0o750, 5])
    }).pipe(Effect.scoped, Effect.provide(Path.layer)))

  it.effect("that sends more or less of a file than there is, or what nobody asked for, has its transfer ended", () =>
    Effect.gen(function*() {
      const { sender } = liar([file("a")])
      const { source: { list } } = liar([file("a")])
      const begin = Wire.writeBegin(new Wire.Writer()).take()
      const part = (length: number) => Wire.writeChunkHead(new Wire.Writer(), length).raw(new Uint8Array(length)).take()
      const end = Wire.writeEnd(new Wire.Writer(), digest()).take()
      const cases: ReadonlyArray<readonly [string, ReadonlyArray<Uint8Array>]> = [
        ["more of a file", [begin, part(text.length), part(1)]],
        ["less of a file", [begin, part(1), end]],
        ["not asked for", [begin, part(text.length), end, begin]],
        ["was not told so", [new Uint8Array([2])]],
        ["not well-formed", [new Uint8Array([9])]],
        ["stopped in the midst", [begin, part(1)]]
      ]
      for (const [reason, answers] of cases) {
        const { disk } = guarded()
        const read = (asked: Stream.Stream<Uint8Array>) =>
          Stream.concat(Stream.drain(Stream.take(asked, 2)), Stream.fromIterable(answers))
        const error = yield* Effect.flip(
          receive(sender, { mount: disk.mount(), folder: "/home/inbox", source: { list, read } })
        )
        assert.include(String(error), reason)
      }
    }))

  it.effect("that answers with other bytes, too many, or none leaves nothing under a name", () =>
    Effect.gen(function*() {
      const good = SimFileSystem.make()
      for (let i = 0; i < 6; i++) good.put(`/sent/${i}`, bytesOf(i * 90_000, i), { mtime: i })
      const sender = yield* offer(good.mount(), ["/sent"])
      const expected = good.tree("/sent")
      let ended = 0
      for (let seed = 1; seed <= 40; seed++) {
        const next = random(seed)
        const { disk, outside } = guarded()
        const before = outside()
        const honest = sourceOf(sender, { pieces: () => 1 + next(50_000) })
        // Some bytes are others, or missing, or there twice.
        const bent = (stream: Stream.Stream<Uint8Array, string>) =>
          Stream.map(stream, (bytes) => {
            if (next(12) > 0) return bytes
            const copy = bytes.slice(0, next(3) === 0 ? next(bytes.length + 1) : bytes.length)
            if (copy.length > 0) copy[next(copy.length)] = next(256)
            return copy
          })
        const received = yield* Effect.result(receive(sender, {
          mount: disk.mount(),
          folder: "/home/inbox",
          source: { list: seed % 3 === 0 ? bent(honest.list) : honest.list, read: (asked) => bent(honest.read(asked)) }
        }))
        if (received._tag === "Failure") ended++
        assert.strictEqual(outside(), before, `seed ${seed}`)
        for (const [path, { bytes, type }] of disk.tree("/home/inbox")) {
          const entry = expected.get(path.replace("sent/", ""))
          if (type !== "File" || !path.startsWith("sent/") || entry === undefined) continue
          assert.isTrue(Buffer.compare(bytes, entry.bytes) === 0, `seed ${seed}: ${path}`)
        }
      }
      assert.isAbove(ended, 10)
    }))
})

describe("a hostile receiver", () => {
  it.effect("gets nothing but what is in the list, and an error for what is not", () =>
    Effect.gen(function*() {
      const disk = SimFileSystem.make()
      disk.put("/out/a", "a")
      disk.put("/secret", "secret")
      const sender = yield* offer(disk.mount(), ["/out"])
      const ask = (wants: Uint8Array) =>
        Effect.result(
          Stream.runCollect(sourceOf(sender).read(Stream.make(Wire.writeOf(sender.head.id, sender.head.digest), wants)))
        )
      const want = (file: number, offset: number) => Wire.writeWant(new Wire.Writer(), { file, offset }).take()
      assert.strictEqual((yield* ask(want(0, 0)))._tag, "Success")
      for (const wants of [want(1, 0), want(0, 2), want(2 ** 40, 0), new Uint8Array([0, 0, 7])]) {
        assert.strictEqual((yield* ask(wants))._tag, "Failure")
      }
      const next = random(5)
      for (let run = 0; run < 300; run++) yield* ask(Uint8Array.from({ length: next(40) }, () => next(256)))
      // A link in the place of a file that was listed is not followed.
      disk.remove("/out/a")
      disk.link("/out/a", "/secret")
      const bytes = yield* ask(want(0, 0))
      assert.isTrue(bytes._tag === "Success")
      assert.isUndefined(disk.bytesRead.get("/secret"))
    }))

  it.effect("has a large file read for its hash once, however often it asks for the end of it", () =>
    Effect.gen(function*() {
      const disk = SimFileSystem.make()
      const size = 1_000_000
      disk.put("/out", bytesOf(size, 1), { mtime: 1 })
      const sender = yield* offer(disk.mount(), ["/out"])
      const ask = (...wants: ReadonlyArray<Wire.Want>) =>
        Stream.runCollect(
          sourceOf(sender).read(Stream.make(
            Wire.writeOf(sender.head.id, sender.head.digest),
            ...wants.map((want) => Wire.writeWant(new Wire.Writer(), want).take())
          ))
        )
      const end = { file: 0, offset: size }
      const same = { file: 0, offset: 0, unless: hashOf(bytesOf(size, 1)) }
      yield* ask(end, end, same)
      yield* ask(same, end)
      assert.strictEqual(disk.bytesRead.get("/out"), size)
      // Of the last byte, the part that it is in.
      yield* ask({ file: 0, offset: size - 1 })
      assert.isAtMost(disk.bytesRead.get("/out")!, size + 262_144)
      // What is sent from the start has the hash of what was sent.
      const all = yield* ask({ file: 0, offset: 0 })
      assert.strictEqual(Buffer.compare(all.at(-1)!.slice(-32), hashOf(bytesOf(size, 1))), 0)
    }))

  it.effect("has few files read ahead of what it takes, and few bytes of them, however much it asks for at once", () =>
    Effect.gen(function*() {
      const disk = SimFileSystem.make({ hollow: true })
      const small = 262_144
      for (const [name, size] of [["a", 0], ["b", small]] as const) disk.put(`/out/${name}`, size, { mtime: 1 })
      const lots: Array<{ readonly files: number; readonly bytes: number }> = []
      const batches: FileBatches.Batches = {
        ...batchesOver(disk.mount().fileSystem),
        read: (files) =>
          Effect.sync(() => {
            lots.push({ files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) })
            return files.map(() => undefined)
          })
      }
      const sender = yield* offer(disk.mount(), ["/out"], { hash: lengths, batches })
      for (const [file, files, most] of [[0, 1_000, 64], [1, 100, 4]] as const) {
        const asked = new Wire.Writer()
        for (let i = 0; i < files; i++) Wire.writeWant(asked, { file, offset: 0 })
        const of = Wire.writeOf(sender.head.id, sender.head.digest)
        yield* Effect.scoped(Effect.gen(function*() {
          const pull = yield* Stream.toPull(sourceOf(sender).read(Stream.make(of, asked.take())))
          for (let lot = 1; lot <= files / most; lot++) {
            yield* pull
            // The one that has come, and the one behind it.
            assert.isAtMost(lots.length, lot + 1)
            for (const { bytes, files } of lots) assert.isTrue(files <= most && bytes <= 4 * small, `${files} files`)
          }
        }))
        lots.length = 0
      }
    }))

  it.effect("is not sent what is elsewhere, where a folder has become a link to it", () =>
    Effect.gen(function*() {
      for (const size of [6, 300_000]) {
        for (const when of ["before", "while"] as const) {
          const disk = SimFileSystem.make()
          disk.put("/out/d/e/a", new Uint8Array(size), { mtime: 1 })
          disk.put("/etc/e/a", new Uint8Array(size).fill(1), { mtime: 1 })
          const sender = yield* offer(disk.mount(), ["/out"])
          const swap = () => {
            disk.remove("/out/d")
            disk.link("/out/d", "/etc")
          }
          if (when === "before") swap()
          disk.intercept = ({ method, path }) => {
            if (method === "open" && path === "/out/d/e/a" && when === "while") swap()
            return undefined
          }
          const want = Wire.writeWant(new Wire.Writer(), { file: 0, offset: 0 }).take()
          const asked = Stream.make(Wire.writeOf(sender.head.id, sender.head.digest), want)
          const sent = yield* Stream.runCollect(sourceOf(sender).read(asked))
          assert.deepStrictEqual(sent.map((bytes) => [...bytes]), [[3]], `${size} ${when}`)
        }
      }
    }))
})
