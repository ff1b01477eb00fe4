/** What text of others becomes before a terminal sees it, and tables. */
import { assert, describe, it } from "@effect/vitest"
import { DuplicateFunctionError } from "@pnet/core/FunctionError"
import { TransferError } from "@pnet/files"
import { Cause, Effect, Layer, Logger } from "effect"
import { displayWidth } from "effect/cli/CliOutput"
import { failureOf } from "../src/errors.ts"
import { logger } from "../src/log.ts"
import { harmless, harmlessLines, harmlessValue, harmlessWhole, jsonLine } from "../src/output/harmless.ts"
import { full } from "../src/output/moments.ts"
import { Output } from "../src/output/Output.ts"
import { quoted } from "../src/output/quoted.ts"
import { coloured, uncoloured } from "../src/output/style.ts"
import { type Column, cut, hung, table } from "../src/output/table.ts"
import { views } from "../src/output/views.ts"

describe("errors of the library", () => {
  it("say at the command line what to do there, once", () => {
    const missing = failureOf(new TransferError.SourceError({ path: "/none", kind: "Missing", detail: "NotFound" }))
    assert.deepInclude(missing, {
      message: "cannot send \"/none\": there is nothing of that name",
      hint: "correct the path"
    })
    const many = failureOf(new TransferError.SourceError({ path: "/all", kind: "TooMany", detail: "" }))
    assert.notInclude(`${many.message} ${many.hint}`, "limits.")
    assert.isUndefined(failureOf(new TransferError.SourceError({ path: "/a", kind: "SameName", detail: "" })).hint)
    const twice = failureOf(new DuplicateFunctionError({ function: "add" }))
    assert.strictEqual(twice.message, "the function \"add\" is served twice")
    assert.include(twice.hint, "--fn")
  })
})

describe("text of others", () => {
  it("shows, and does nothing to a terminal", () => {
    assert.strictEqual(
      harmless("\u001b]0;title\u0007\u009b2Ja\u202eb\u200bc\u2028d\r\n"),
      "\\u001b]0;title\\u0007\\u009b2Ja\\u202eb\\u200bc\\u2028d\\r\\n"
    )
    assert.strictEqual(harmless("\udc00 \u{e0041} \ue000"), "\\udc00 \\ue0041 \\ue000")
    // Scripts and pictures are left as they are.
    const fine = "héllo 日本 שלום 👨‍👩‍👧 می‌خواهم"
    assert.strictEqual(harmless(fine), fine)
    // Blank letters, and joiners that join nothing, make a name look like another's.
    const blank = ["bob\u3164", "bob\u200d", "b\u200cob", "\u2800bob", "bob\u{e0101}", "bob\u034f"]
    assert.isTrue(blank.every((name) => /\\u/.test(harmless(name))))
    // So do what shows nothing, by whatever it is made, other blanks than the usual one, and joiners in scripts that know none.
    const hidden = [
      "bob\ufe0f",
      "bob\ufe00",
      "1\ufe0f",
      "b\u2065ob",
      "bob\ufff3",
      "bob\u{e01f5}",
      "bob\u00a0",
      "b\u2009ob"
    ]
    const joined = ["\u0431\u200d\u043e", "\u03b1\u200c\u03b2", "\u65e5\u200d\u672c", "e\u0301\u200d\u0301"]
    assert.deepStrictEqual([...hidden, ...joined].filter((name) => !/\\u/.test(harmless(name))), [])
    for (const blank of [" bob", "bob "]) assert.match(harmlessWhole(blank), /\\u0020/)
    for (const blank of ["bob\u3000", "\u3000bob", "b\u3000\u3000ob"]) {
      assert.match(harmless(blank), /\\u/, JSON.stringify(blank))
    }
    const left =
      "a b \u5c71\u7530\u3000\u592a\u90ce \u2764\ufe0f 1\ufe0f\u20e3 \u{1f441}\ufe0f\u200d\u{1f5e8}\ufe0f \u0915\u094d\u200d\u0937"
    assert.strictEqual(harmless(left), left)
    // Marks stand over each other, and many of them over the lines around.
    assert.strictEqual(harmless(`a${"\u0301".repeat(10)}`), `a${"\u0301".repeat(8)}\\u0301\\u0301`)
    assert.strictEqual(harmlessLines(`a${"\u0301".repeat(9)}  \n `), `a${"\u0301".repeat(8)}\\u0301  \n `)
    assert.strictEqual(harmlessLines("a\r\nb\tc\u001b[2J\rd"), "a\nb\tc\\u001b[2J\\rd")
    // No character that a terminal acts on is left, whichever it was.
    const all = Array.from({ length: 0x1_0000 }, (_, code) => String.fromCharCode(code)).join(" ")
    assert.notMatch(harmless(all), /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/u)
  })

  it("is made harmless wherever it is in a value, the names of fields too", () => {
    assert.deepStrictEqual(harmlessValue({ "a\n": ["\u001b", 1, null, { b: "\u0007" }] }, harmless), {
      "a\\n": ["\\u001b", 1, null, { b: "\\u0007" }]
    } as never)
  })

  it("is the same value as JSON, with nothing in it that a terminal acts on", () => {
    const value = { text: "\u001b\u009b\u202e\u{e0041}\ud800é" }
    const line = jsonLine(value)
    assert.notMatch(line, /[^\x20-\x7eé]/)
    assert.deepStrictEqual(JSON.parse(line), value)
  })
})

describe("a command that is said to people", () => {
  it("has nothing in it that a shell reads anything into, whatever peers and functions are called", () => {
    assert.deepStrictEqual(["bob", "größe", "a b", "$(id)", "it's", "-", ""].map(quoted), [
      "bob",
      "größe",
      "'a b'",
      "'$(id)'",
      "'it'\\''s'",
      "-",
      "''"
    ])
    const peer = "bob; $(id)"
    const errors = [
      { _tag: "UnknownFunctionError", peer, function: "`id`" },
      { _tag: "InvalidArgumentsError", peer, function: "`id`" },
      { _tag: "PeerUnknownError", peer, conflict: {} },
      { _tag: "StreamResetError", peer, code: "not_found" }
    ]
    for (const error of errors) {
      const { hint } = failureOf(error)
      assert.include(hint, "'bob; $(id)'")
      assert.notMatch(hint!.replaceAll(/'[^']*'/g, ""), /[$`;"]/)
    }
    const argument = { name: "$(id)", type: "text", required: true, rest: false }
    const one = {
      peer,
      name: "`id`",
      kind: "command" as const,
      signature: "",
      arguments: [argument],
      keywords: [argument]
    }
    const line = views.function.one!(one, uncoloured, full).split("\n").at(-1)
    assert.strictEqual(line, "  pnet call 'bob; $(id)' '`id`' '$(id)' --'$(id)'=…")
  })
})

describe("a table", () => {
  const columns: ReadonlyArray<Column<readonly [string, string, number]>> = [
    { title: "NAME", cell: ([name]) => name, gives: true, look: (style, text) => style.bold(text) },
    { title: "NOTE", cell: ([, note]) => note, gives: true },
    { title: "SIZE", cell: ([, , size]) => String(size), right: true }
  ]

  it("is aligned by the cells of a terminal, and fits it", () => {
    const rows = [["日本", "a note that is rather long and does not fit", 5], ["bob", "short", 1234]] as const
    assert.deepStrictEqual(table(columns, rows, uncoloured, undefined), [
      "NAME  NOTE                                         SIZE",
      "日本  a note that is rather long and does not fit     5",
      "bob   short                                        1234"
    ])
    for (const width of [60, 40, 30]) {
      const lines = table(columns, rows, coloured, width)
      assert.isAtMost(Math.max(...lines.map(displayWidth)), width)
      assert.isTrue(lines.every((line) => !line.endsWith(" ")))
    }
    assert.strictEqual(table(columns, rows, uncoloured, 30)[1], "日本  a note that is ra…     5")
  })

  it("has lines broken between words where they are wider than the terminal, with the rest indented", () => {
    assert.strictEqual(hung("12:00:00 bob is there", 40, 9), "12:00:00 bob is there")
    assert.strictEqual(
      hung("12:00:00 bob is there (127.0.0.1:33113)", 24, 9),
      "12:00:00 bob is there\n         (127.0.0.1:33113)"
    )
    assert.strictEqual(hung("  > one two", 8, 4), "  > one\n    two")
    // Colours take no room, and a word that is longer than the line is as it is.
    assert.strictEqual(hung("\u001b[31mone two\u001b[39m", 7, 2), "\u001b[31mone two\u001b[39m")
    assert.strictEqual(hung("a longerthanthat b", 5, 2), "a\n  longerthanthat\n  b")
  })

  it("leaves out a column that says nothing", () => {
    assert.deepStrictEqual(table(columns, [["a", "", 1]], uncoloured, 80), ["NAME  SIZE", "a        1"])
    // Nor does a cell look like several.
    assert.notInclude(table(columns, [["bob  online   2", "", 1]], uncoloured, 80)[1], "bob  online")
  })

  it("cuts text between characters, and not in them", () => {
    assert.strictEqual(cut("日本語", 5), "日本…")
    assert.strictEqual(cut("日本語", 4), "日…")
    assert.strictEqual(cut("👨‍👩‍👧👨‍👩‍👧", 3), "👨‍👩‍👧…")
    assert.strictEqual(cut("abc", 3), "abc")
  })
})

describe("the log", () => {
  it.effect("has what went wrong, and not that something was ended", () =>
    Effect.gen(function*() {
      const said: Array<string> = []
      const output = { log: (_: unknown, text: string) => Effect.sync(() => void said.push(text)) } as Output["Service"]
      yield* Effect.all([
        Effect.logError(Cause.interrupt(1)),
        Effect.logError("a call", Cause.interrupt(1)),
        Effect.logError(Cause.die("broken"))
      ], { discard: true }).pipe(
        Effect.provide(Layer.provide(Logger.layer([logger]), Layer.succeed(Output, output)))
      )
      assert.lengthOf(said, 2)
      assert.match(said[0]!, /^a call: InterruptError/)
      assert.match(said[1]!, /broken/)
    }))
})
