"""The one door to the network, for whoever hands it over: URLs in, octets out, within bounds."""
