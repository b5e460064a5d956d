/* The texts that payloads are made from, as browsers make them. @ stands for the message's id, ~
 * for the ICE user name of its handshake: as many of them as these have characters. Descriptions
 * have plain line feeds, where a message has CR and LF, escaped. */
#ifndef LOAD_MODELS_H
#define LOAD_MODELS_H

#define MODEL_ID    "@@@@@@@@@@@@@@@"
#define MODEL_UFRAG "~~~~~~~~~~~~~~~"

extern const char model_offer[], model_answer[], model_candidate[], model_data[];

#endif
