/**
 * The nodes of the network that `console.ts` shows. They call each other, now and then in vain, and publish what changes.
 */
import { ConsoleAgent } from "@pnet/console"
import { Command, CommandNode, type NodeOptions, Topic } from "@pnet/core"
import { Effect, Layer, Random, Ref, Schedule, Schema, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

/** What thermometers say. */
const Readings = Topic.make("greenhouse.readings", {
  payload: Schema.Struct({ room: Schema.String, celsius: Schema.Finite }),
  key: ({ room }) => room,
  retain: true
})

class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", { plant: Schema.String, left: Schema.Int }) {}

const Plant = Schema.Literals(["fern", "cactus", "orchid"])

const Order = Command.make("order", {
  description: "Orders plants, and says when they come. What is out of stock is refused.",
  args: [
    Plant.annotate({ title: "plant" }),
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 12 })).annotate({ title: "count" })
  ],
  kwargs: {
    gift: Schema.optionalKey(Schema.Boolean),
    address: Schema.optionalKey(Schema.Struct({ street: Schema.String, city: Schema.String }))
  },
  success: Schema.Struct({ plant: Plant, count: Schema.Int, days: Schema.Int }),
  error: OutOfStock
})

const Pack = Command.make("pack", {
  description: "Packs plants, which takes a while.",
  args: [Plant.annotate({ title: "plant" }), Schema.Int.annotate({ title: "count" })],
  success: Schema.String
})

class Watering extends RpcGroup.make(
  Rpc.make("water", {
    payload: { room: Schema.String, litres: Schema.Finite.check(Schema.isGreaterThan(0)) },
    success: Schema.Struct({ litres: Schema.Finite, full: Schema.Boolean }),
    stream: true
  })
) {}

/** What somebody does all the time, whatever becomes of it. */
const often = (least: number, most: number, what: Effect.Effect<unknown, unknown, CommandNode.CommandNode>) =>
  Effect.ignore(what).pipe(
    Effect.andThen(Random.nextBetween(least, most)),
    Effect.flatMap((ms) => Effect.sleep(ms)),
    Effect.forever
  )

const node = CommandNode.CommandNode
const plants = Plant.literals
const oneOf = <A>(list: ReadonlyArray<A>) => Effect.map(Random.nextIntBetween(0, list.length - 1), (at) => list[at]!)

const order = Effect.gen(function*() {
  const { target } = yield* node
  const plant = yield* oneOf(plants)
  yield* target("shop", { commands: [Order], timeout: "5 seconds" }).order(plant, yield* Random.nextIntBetween(1, 8))
})

const measuring = Effect.gen(function*() {
  const { publish } = yield* node
  const celsius = yield* Ref.make(21)
  const measure = (room: string) =>
    Effect.gen(function*() {
      const step = yield* Random.nextBetween(-0.4, 0.4)
      yield* publish(Readings, {
        room,
        celsius: Math.round((yield* Ref.updateAndGet(celsius, (now) => now + step)) * 10) / 10
      })
    })
  return yield* often(700, 1_500, Effect.andThen(measure("palm house"), measure("nursery")))
})

const options = <A>(of: A) => of

/** What each of them is: what it serves, and what it does. */
const kinds = {
  garden: {
    options: options({
      roles: ["customer"],
      functions: { delivered: (_call: unknown, what: string) => Effect.succeed(`${what}: thank you`) }
    }),
    beside: Layer.empty,
    does: often(300, 1_800, order)
  },
  neighbour: {
    options: options({ roles: ["customer"] }),
    beside: Layer.empty,
    does: often(800, 4_000, order)
  },
  shop: {
    options: options({
      roles: ["shop"],
      commands: [
        Command.implement(Order, ({ from, node }, plant, count) =>
          Effect.gen(function*() {
            if (count > 6) return yield* new OutOfStock({ plant, left: 6 })
            const parcel = yield* Effect.orDie(node.target("packer", { commands: [Pack] }).pack(plant, count))
            // Not everybody has it delivered.
            yield* Effect.ignore(node.target(from.name)("delivered", parcel))
            return { plant, count, days: 2 }
          }))
      ]
    }),
    beside: Layer.empty,
    does: Effect.never
  },
  packer: {
    options: options({
      roles: ["worker"],
      commands: [
        Command.implement(
          Pack,
          (_call, plant, count) => Effect.as(Effect.sleep(`${40 + count * 30} millis`), `${count} × ${plant}, in paper`)
        )
      ],
      functions: { sleepy: () => Effect.as(Effect.sleep("3 seconds"), "awake") }
    }),
    beside: Layer.empty,
    does: Effect.never
  },
  greenhouse: {
    options: options({ roles: ["thermometer"] }),
    beside: CommandNode.serve(Watering).pipe(Layer.provide(Watering.toLayer({
      water: ({ litres }) =>
        Stream.range(1, 10).pipe(
          Stream.schedule(Schedule.spaced("400 millis")),
          Stream.map((tenth) => ({ litres: litres * tenth / 10, full: tenth === 10 }))
        )
    }))),
    does: measuring
  },
  wanderer: {
    options: options({
      roles: ["customer"],
      functions: { whereabouts: () => Effect.succeed("somewhere else by now") }
    }),
    beside: Layer.empty,
    does: Effect.gen(function*() {
      const { subscribe } = yield* node
      yield* Effect.forkChild(Stream.runDrain(subscribe(Readings)))
      return yield* often(1_000, 3_000, order)
    })
  }
} as const

/** The names of the nodes. */
export type Member = keyof typeof kinds

/** The names of the nodes. */
export const members = Object.keys(kinds) as ReadonlyArray<Member>

/** A node of the network, which does what it does until its scope closes, and lets the console see its spans. */
export const member = (name: Member, options: Omit<NodeOptions.Input, "name">) => {
  const { beside, does, options: own } = kinds[name]
  return Layer.mergeAll(
    ConsoleAgent.layer({ allow: () => true }),
    beside as Layer.Layer<never, never, CommandNode.CommandNode>,
    Layer.effectDiscard(Effect.forkScoped(does as Effect.Effect<never, never, CommandNode.CommandNode>))
  ).pipe(Layer.provideMerge(CommandNode.layer({ ...options, name, ...own } as CommandNode.Options)))
}
