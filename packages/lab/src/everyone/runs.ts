/** The function that everybody serves, and how often it ran for each call and where: with a secret, so that answers can be told apart. */
import type { Command } from "@pnet/core"
import { Effect, Schema } from "effect"
import type { Chance } from "../harness/chance.ts"
import type { Tally } from "./tally.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { by: Schema.String }) {}

/** What one peer's answer to one call has to be. */
const Answer = Schema.Struct({ peer: Schema.String, call: Schema.Finite, secret: Schema.Finite })
const decodeAnswer = Schema.decodeUnknownOption(Answer)

export class Runs {
  readonly #random: Chance
  readonly #tally: Tally
  /** By call and name. */
  readonly #secrets = new Map<string, number>()
  /** How many run now. */
  running = 0

  constructor(random: Chance, tally: Tally) {
    this.#random = random
    this.#tally = tally
  }

  /** The function of a node: answers, fails, breaks or never ends, at once or after a while. */
  work(name: string): Command.Handler {
    const random = this.#random
    return (_call, id: number) =>
      Effect.suspend(() => {
        const answer = { peer: name, call: id, secret: random.next() }
        this.#begin(id, name, answer.secret)
        const pause = Effect.sleep(`${random.below(3_000)} millis`)
        const how = random.below(20)
        return (how < 10
          ? Effect.succeed(answer)
          : how < 16
          ? Effect.as(pause, answer)
          : how < 17
          ? Effect.andThen(pause, new Refused({ by: name }))
          : how < 18
          ? Effect.andThen(pause, Effect.die("a defect"))
          : Effect.never).pipe(Effect.ensuring(Effect.sync(() => this.running--)))
      })
  }

  #begin(id: number, name: string, secret: number): void {
    const key = `${id} ${name}`
    if (this.#secrets.has(key)) this.#tally.problem(`${name} ran call ${id} twice`)
    this.#secrets.set(key, secret)
    this.running++
  }

  /** Whether a node ran a call. */
  ran(id: number, name: string): boolean {
    return this.#secrets.has(`${id} ${name}`)
  }

  /** Whether a value is the answer that a node gave to a call. */
  isAnswer(id: number, name: string, value: unknown): boolean {
    const answer = decodeAnswer(value)
    return answer._tag === "Some" && answer.value.peer === name && answer.value.call === id &&
      answer.value.secret === this.#secrets.get(`${id} ${name}`)
  }
}
