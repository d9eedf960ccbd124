"use strict";
// What a program that uses etcd3 relies on, sentence by sentence.

const promises = [];

// `keep` gets a World and rejects when the promise is broken.
function promise(name, keep) {
  promises.push({ name, restarts: false, keep });
}

// One that kills the server, so it has one of its own.
function promiseAcrossRestarts(name, keep) {
  promises.push({ name, restarts: true, keep });
}

module.exports = { promises, promise, promiseAcrossRestarts };
