/**
 * Keys in words, for people who compare them by phone: ten words say what the fingerprint of a key says, one for each of its first ten bytes. No two words
 * begin with the same three letters.
 *
 * @since 0.2.0
 */
import * as PublicKey from "@pnet/core/PublicKey"

const list = (
  "acid acorn adult agent album alley amber badge balcony bamboo banana barrel basket beach bicycle bishop blossom boat " +
  "bonus border bottle bronze brush bubble buffalo butter cabin cactus camel canyon captain castle cedar cello cement " +
  "cherry chimney cinema circus clock cobra coffee copper cotton cousin coyote cradle cricket crown crystal cube " +
  "cupboard dagger dairy deer delta denim diamond dinner doctor dolphin donkey dragon drum duck eagle earth echo " +
  "eclipse editor eight elbow elephant emperor engine envelope epoch evening fabric feather fence fiddle flamingo flute " +
  "forest fossil fountain freezer frog fungus galaxy garden gazelle ghost giant giraffe glacier glove goblet gold " +
  "gorilla grape guitar helmet hexagon hill hippo hotel husky hyena igloo index insect iris island ivory jaguar jasmine " +
  "jewel jigsaw journal juice jungle jupiter kayak kitchen kiwi koala mailbox mango marble meadow mercury meteor " +
  "midnight mirror mittens moon morning mosaic muffin museum napkin narwhal nebula needle neptune nest nickel notebook " +
  "nurse nutmeg oasis oboe ocean octopus office omelet onion opera orange orbit orchid ostrich outpost oxygen palace " +
  "panda paper parrot pelican pencil picnic pigeon pilot pirate pizza planet poem polar poppy potato prairie pumpkin " +
  "puppet purple pyramid quartz queen quilt rabbit raccoon radio raft rainbow raven recipe reindeer ribbon rose sailor " +
  "salad sapphire saturn scarf school scooter season sequoia silver skate slipper smoke snow soccer sofa spider spruce " +
  "squirrel stadium summit sunset swan teapot temple tennis thunder tiger topaz torch tractor trumpet tulip tundra " +
  "tuxedo twilight umbrella unicorn uranium vanilla village violin volcano voyage waffle walnut weasel wedding whale " +
  "whisper willow yacht yard yogurt zenith zigzag"
).split(" ")

/**
 * The ten words of a key.
 *
 * ```ts
 * KeyWords.of(publicKey).join(" ")
 * ```
 *
 * @category conversions
 * @since 0.2.0
 */
export const of = (key: PublicKey.PublicKey): ReadonlyArray<string> =>
  Array.from(PublicKey.toBytes(key).subarray(0, 10), (byte) => list[byte]!)
