import { air } from "@pnet/lab/conformance/air"
import { checksOf } from "@pnet/lab/conformance/check"
import { look } from "@pnet/lab/conformance/own"
import { deviations } from "@pnet/lab/conformance/planted"
import { nodesWith } from "@pnet/lab/conformance/planting"
import { lines } from "@pnet/lab/conformance/report"
import * as VirtualTime from "@pnet/lab/worlds/virtualTime"
import { Effect } from "effect"
const d = deviations.find((d) => d.rule === "udp-source")!
const nodes = await Effect.runPromise(nodesWith(d))
console.log(nodes.BasicNode === (await import("@pnet/core")).BasicNode)
const c = checksOf("raw")("udp-source", "x", (kit) =>
  Effect.gen(function*() {
    const on = yield* air(kit)
    for (const host of ["10.9.9.9", "10.0.0.77", kit.place.host]) {
      const k = kit.another(kit.name + host.length)
      yield* on.tell(yield* k.packet("adv", k.advert(4000, host)), host)
      console.log(host, yield* on.hear(1500))
    }
  }))
console.log(lines(await Effect.runPromise(VirtualTime.within(look({ nodes, kind: "BasicNode", checks: [c] })))))
