/**
 * A node's layer, apart from every other's. Layers are shared by identity wherever they are built together, and the parts of a
 * node are the same values in every node: without this, two nodes in one program would have one table of peers between them.
 */
import * as Layer from "effect/Layer"

/** The same layer, whose parts are its own. It is still built once, however often it is provided. */
export const separate = <A, E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A, E, R> =>
  Layer.effectContext(Layer.build(Layer.fresh(layer))) as Layer.Layer<A, E, R>
