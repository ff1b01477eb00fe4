// The suite of the Crypto seam, in a page: `globalThis.suite()` runs it.
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import { cryptoCrossSuite, cryptoSuite } from "@pnet/testing/CryptoSuite"
import * as WasmCrypto from "@pnet/web/WasmCrypto"

cryptoSuite("portable", PortableCrypto.layer)
cryptoSuite("WebAssembly", WasmCrypto.layerLoaded)
cryptoCrossSuite("portable and WebAssembly", PortableCrypto.layer, WasmCrypto.layerLoaded)
