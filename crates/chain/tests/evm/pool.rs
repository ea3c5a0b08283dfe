//! Orchestrators are found through the contracts.

use crate::support::{Layer, World, ether_of, key};

fn string_argument(text: &str) -> Vec<u8> {
    let mut words = vec![0_u8; 64];
    words[31] = 32;
    words[63] = u8::try_from(text.len()).unwrap();
    words.extend(text.bytes());
    words.resize(words.len().next_multiple_of(32), 0);
    words
}

#[tokio::test]
async fn the_pool_is_walked_in_its_order() {
    let world = World::start(Layer::Two).await;
    assert_eq!(world.client.registered_pool().await.unwrap().orchestrators, []);
    let members = [3, 4, 5, 6].map(|number| key(number).address());
    let registry = world.client.contracts().service_registry;
    for (address, uri) in members.iter().zip([
        "https://one.example:8935",
        "",
        "three.example:8935",
        "https://four.example:8935",
    ]) {
        world.join(*address).await;
        world.give(*address, ether_of("1")).await;
        if !uri.is_empty() {
            world
                .send_as(*address, registry, ("setServiceURI(string)", string_argument(uri)))
                .await;
        }
    }
    let pool = world.client.registered_pool().await.unwrap();
    let found: Vec<_> =
        pool.orchestrators.iter().map(|one| (one.address, one.uri.as_str())).collect();
    assert_eq!(
        found,
        [
            (members[0], "https://one.example:8935"),
            (members[2], "https://three.example:8935"),
            (members[3], "https://four.example:8935"),
        ]
    );
    assert_eq!(pool.without_uri, [members[1]]);
    assert_eq!(world.client.pool_size().await, Ok(4));
    assert_eq!(world.client.is_active(members[1]).await, Ok(true));
    assert_eq!(world.client.is_active(key(9).address()).await, Ok(false));
}
