/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The adapter's messages as numbers: sizes, offsets and constants of offload/cpl.hh on one side and
 * of the kernel's own headers on the other.
 *
 * Each line names the same thing in both and says what it is. offload/cpl_layout.cc compares the
 * first with the number in every build, offload/linux/check_layout.c the second, when the kernel's
 * headers are at hand. Macros, because neither side can read the other: C++ sees no header of the
 * kernel, and C does not know cpl.hh. What is in cpl.hh and not here has no name in the kernel.
 */
#ifndef CHISCSI_OFFLOAD_CPL_LAYOUT_H
#define CHISCSI_OFFLOAD_CPL_LAYOUT_H

/* X(structure of cpl.hh, of the kernel, bytes) */
#define CPL_LAYOUT_SIZES(X) \
	X(OpcodeTid, union opcode_tid, 4) \
	X(WrHeader, struct work_request_hdr, 16) \
	X(FlowcWr, struct fw_flowc_wr, 8) \
	X(FlowcParam, struct fw_flowc_mnemval, 8) \
	X(TxDataWr, struct fw_ofld_tx_data_wr, 16) \
	X(TxDataIso, struct cpl_tx_data_iso, 32) \
	X(PassOpenReq, struct cpl_pass_open_req, 48) \
	X(PassOpenReq6, struct cpl_pass_open_req6, 72) \
	X(StatusRpl, struct cpl_pass_open_rpl, 8) \
	X(StatusRpl, struct cpl_close_listsvr_rpl, 8) \
	X(StatusRpl, struct cpl_abort_req_rss, 8) \
	X(StatusRpl, struct cpl_abort_rpl_rss, 8) \
	X(CloseListsrvReq, struct cpl_close_listsvr_req, 24) \
	X(PassAcceptReq, struct cpl_pass_accept_req, 24) \
	X(PassAcceptRpl, struct cpl_t5_pass_accept_rpl, 40) \
	X(PassEstablish, struct cpl_pass_establish, 24) \
	X(TidReq, struct cpl_tid_release, 24) \
	X(TidReq, struct cpl_close_con_req, 24) \
	X(SetTcbField, struct cpl_set_tcb_field, 40) \
	X(SetTcbRpl, struct cpl_set_tcb_rpl, 16) \
	X(Fw4Ack, struct cpl_fw4_ack, 24) \
	X(IscsiHdr, struct cpl_iscsi_hdr, 16) \
	X(IscsiData, struct cpl_iscsi_data, 16) \
	X(RxIscsiDdp, struct cpl_rx_data_ddp, 24) \
	X(RxIscsiCmp, struct cpl_rx_iscsi_cmp, 24) \
	X(RxDataAck, struct cpl_rx_data_ack, 24) \
	X(AbortReq, struct cpl_abort_req, 32) \
	X(AbortReq, struct cpl_abort_rpl, 32) \
	X(PeerClose, struct cpl_peer_close, 8) \
	X(CloseConRpl, struct cpl_close_con_rpl, 16) \
	X(UlpMemWrite, struct ulp_mem_write, 40)

/* X(structure of cpl.hh, its member, structure of the kernel, its member, offset in bytes) */
#define CPL_LAYOUT_OFFSETS(X) \
	X(OpcodeTid, word, union opcode_tid, opcode_tid, 0) \
	X(WrHeader, hi, struct work_request_hdr, wr_hi, 0) \
	X(WrHeader, mid, struct work_request_hdr, wr_mid, 4) \
	X(WrHeader, lo, struct work_request_hdr, wr_lo, 8) \
	X(FlowcWr, op_to_nparams, struct fw_flowc_wr, op_to_nparams, 0) \
	X(FlowcWr, flowid_len16, struct fw_flowc_wr, flowid_len16, 4) \
	X(FlowcParam, mnemonic, struct fw_flowc_mnemval, mnemonic, 0) \
	X(FlowcParam, reserved, struct fw_flowc_mnemval, r4, 1) \
	X(FlowcParam, value, struct fw_flowc_mnemval, val, 4) \
	X(TxDataWr, op_to_immdlen, struct fw_ofld_tx_data_wr, op_to_immdlen, 0) \
	X(TxDataWr, flowid_len16, struct fw_ofld_tx_data_wr, flowid_len16, 4) \
	X(TxDataWr, plen, struct fw_ofld_tx_data_wr, plen, 8) \
	X(TxDataWr, tunnel_to_proxy, struct fw_ofld_tx_data_wr, tunnel_to_proxy, 12) \
	X(TxDataIso, op_to_scsi, struct cpl_tx_data_iso, op_to_scsi, 0) \
	X(TxDataIso, reserved1, struct cpl_tx_data_iso, reserved1, 4) \
	X(TxDataIso, ahs_len, struct cpl_tx_data_iso, ahs_len, 5) \
	X(TxDataIso, mpdu, struct cpl_tx_data_iso, mpdu, 6) \
	X(TxDataIso, burst_size, struct cpl_tx_data_iso, burst_size, 8) \
	X(TxDataIso, len, struct cpl_tx_data_iso, len, 12) \
	X(TxDataIso, seglen_offset, struct cpl_tx_data_iso, reserved2_seglen_offset, 16) \
	X(TxDataIso, datasn_offset, struct cpl_tx_data_iso, datasn_offset, 20) \
	X(TxDataIso, buffer_offset, struct cpl_tx_data_iso, buffer_offset, 24) \
	X(TxDataIso, reserved3, struct cpl_tx_data_iso, reserved3, 28) \
	X(PassOpenReq, wr, struct cpl_pass_open_req, wr, 0) \
	X(PassOpenReq, ot, struct cpl_pass_open_req, ot, 16) \
	X(PassOpenReq, local_port, struct cpl_pass_open_req, local_port, 20) \
	X(PassOpenReq, peer_port, struct cpl_pass_open_req, peer_port, 22) \
	X(PassOpenReq, local_ip, struct cpl_pass_open_req, local_ip, 24) \
	X(PassOpenReq, peer_ip, struct cpl_pass_open_req, peer_ip, 28) \
	X(PassOpenReq, opt0, struct cpl_pass_open_req, opt0, 32) \
	X(PassOpenReq, opt1, struct cpl_pass_open_req, opt1, 40) \
	X(PassOpenReq6, wr, struct cpl_pass_open_req6, wr, 0) \
	X(PassOpenReq6, ot, struct cpl_pass_open_req6, ot, 16) \
	X(PassOpenReq6, local_port, struct cpl_pass_open_req6, local_port, 20) \
	X(PassOpenReq6, peer_port, struct cpl_pass_open_req6, peer_port, 22) \
	X(PassOpenReq6, local_ip_hi, struct cpl_pass_open_req6, local_ip_hi, 24) \
	X(PassOpenReq6, local_ip_lo, struct cpl_pass_open_req6, local_ip_lo, 32) \
	X(PassOpenReq6, peer_ip_hi, struct cpl_pass_open_req6, peer_ip_hi, 40) \
	X(PassOpenReq6, peer_ip_lo, struct cpl_pass_open_req6, peer_ip_lo, 48) \
	X(PassOpenReq6, opt0, struct cpl_pass_open_req6, opt0, 56) \
	X(PassOpenReq6, opt1, struct cpl_pass_open_req6, opt1, 64) \
	X(StatusRpl, ot, struct cpl_pass_open_rpl, ot, 0) \
	X(StatusRpl, reserved, struct cpl_pass_open_rpl, rsvd, 4) \
	X(StatusRpl, status, struct cpl_pass_open_rpl, status, 7) \
	X(StatusRpl, ot, struct cpl_close_listsvr_rpl, ot, 0) \
	X(StatusRpl, reserved, struct cpl_close_listsvr_rpl, rsvd, 4) \
	X(StatusRpl, status, struct cpl_close_listsvr_rpl, status, 7) \
	X(StatusRpl, ot, struct cpl_abort_req_rss, ot, 0) \
	X(StatusRpl, reserved, struct cpl_abort_req_rss, rsvd, 4) \
	X(StatusRpl, status, struct cpl_abort_req_rss, status, 7) \
	X(StatusRpl, ot, struct cpl_abort_rpl_rss, ot, 0) \
	X(StatusRpl, reserved, struct cpl_abort_rpl_rss, rsvd, 4) \
	X(StatusRpl, status, struct cpl_abort_rpl_rss, status, 7) \
	X(CloseListsrvReq, wr, struct cpl_close_listsvr_req, wr, 0) \
	X(CloseListsrvReq, ot, struct cpl_close_listsvr_req, ot, 16) \
	X(CloseListsrvReq, reply_ctrl, struct cpl_close_listsvr_req, reply_ctrl, 20) \
	X(CloseListsrvReq, reserved, struct cpl_close_listsvr_req, rsvd, 22) \
	X(PassAcceptReq, ot, struct cpl_pass_accept_req, ot, 0) \
	X(PassAcceptReq, reserved, struct cpl_pass_accept_req, rsvd, 4) \
	X(PassAcceptReq, len, struct cpl_pass_accept_req, len, 6) \
	X(PassAcceptReq, hdr_len, struct cpl_pass_accept_req, hdr_len, 8) \
	X(PassAcceptReq, vlan, struct cpl_pass_accept_req, vlan, 12) \
	X(PassAcceptReq, l2info, struct cpl_pass_accept_req, l2info, 14) \
	X(PassAcceptReq, tos_stid, struct cpl_pass_accept_req, tos_stid, 16) \
	X(PassAcceptReq, mss, struct cpl_pass_accept_req, tcpopt.mss, 20) \
	X(PassAcceptReq, window_scale, struct cpl_pass_accept_req, tcpopt.wsf, 22) \
	X(PassAcceptRpl, wr, struct cpl_t5_pass_accept_rpl, wr, 0) \
	X(PassAcceptRpl, ot, struct cpl_t5_pass_accept_rpl, ot, 16) \
	X(PassAcceptRpl, opt2, struct cpl_t5_pass_accept_rpl, opt2, 20) \
	X(PassAcceptRpl, opt0, struct cpl_t5_pass_accept_rpl, opt0, 24) \
	X(PassAcceptRpl, iss, struct cpl_t5_pass_accept_rpl, iss, 32) \
	X(PassAcceptRpl, reserved, struct cpl_t5_pass_accept_rpl, rsvd, 36) \
	X(PassEstablish, ot, struct cpl_pass_establish, ot, 0) \
	X(PassEstablish, reserved, struct cpl_pass_establish, rsvd, 4) \
	X(PassEstablish, tos_stid, struct cpl_pass_establish, tos_stid, 8) \
	X(PassEstablish, mac_idx, struct cpl_pass_establish, mac_idx, 12) \
	X(PassEstablish, tcp_opt, struct cpl_pass_establish, tcp_opt, 14) \
	X(PassEstablish, snd_isn, struct cpl_pass_establish, snd_isn, 16) \
	X(PassEstablish, rcv_isn, struct cpl_pass_establish, rcv_isn, 20) \
	X(TidReq, wr, struct cpl_tid_release, wr, 0) \
	X(TidReq, ot, struct cpl_tid_release, ot, 16) \
	X(TidReq, reserved, struct cpl_tid_release, rsvd, 20) \
	X(TidReq, wr, struct cpl_close_con_req, wr, 0) \
	X(TidReq, ot, struct cpl_close_con_req, ot, 16) \
	X(TidReq, reserved, struct cpl_close_con_req, rsvd, 20) \
	X(SetTcbField, wr, struct cpl_set_tcb_field, wr, 0) \
	X(SetTcbField, ot, struct cpl_set_tcb_field, ot, 16) \
	X(SetTcbField, reply_ctrl, struct cpl_set_tcb_field, reply_ctrl, 20) \
	X(SetTcbField, word_cookie, struct cpl_set_tcb_field, word_cookie, 22) \
	X(SetTcbField, mask, struct cpl_set_tcb_field, mask, 24) \
	X(SetTcbField, value, struct cpl_set_tcb_field, val, 32) \
	X(SetTcbRpl, ot, struct cpl_set_tcb_rpl, ot, 0) \
	X(SetTcbRpl, reserved, struct cpl_set_tcb_rpl, rsvd, 4) \
	X(SetTcbRpl, cookie, struct cpl_set_tcb_rpl, cookie, 6) \
	X(SetTcbRpl, status, struct cpl_set_tcb_rpl, status, 7) \
	X(SetTcbRpl, old_value, struct cpl_set_tcb_rpl, oldval, 8) \
	X(Fw4Ack, ot, struct cpl_fw4_ack, ot, 0) \
	X(Fw4Ack, credits, struct cpl_fw4_ack, credits, 4) \
	X(Fw4Ack, reserved0, struct cpl_fw4_ack, rsvd0, 5) \
	X(Fw4Ack, seq_vld, struct cpl_fw4_ack, seq_vld, 7) \
	X(Fw4Ack, snd_nxt, struct cpl_fw4_ack, snd_nxt, 8) \
	X(Fw4Ack, snd_una, struct cpl_fw4_ack, snd_una, 12) \
	X(Fw4Ack, reserved1, struct cpl_fw4_ack, rsvd1, 16) \
	X(IscsiHdr, ot, struct cpl_iscsi_hdr, ot, 0) \
	X(IscsiHdr, pdu_len_ddp, struct cpl_iscsi_hdr, pdu_len_ddp, 4) \
	X(IscsiHdr, len, struct cpl_iscsi_hdr, len, 6) \
	X(IscsiHdr, seq, struct cpl_iscsi_hdr, seq, 8) \
	X(IscsiHdr, urg, struct cpl_iscsi_hdr, urg, 12) \
	X(IscsiHdr, reserved, struct cpl_iscsi_hdr, rsvd, 14) \
	X(IscsiHdr, status, struct cpl_iscsi_hdr, status, 15) \
	X(IscsiData, ot, struct cpl_iscsi_data, ot, 0) \
	X(IscsiData, reserved0, struct cpl_iscsi_data, rsvd0, 4) \
	X(IscsiData, len, struct cpl_iscsi_data, len, 6) \
	X(IscsiData, seq, struct cpl_iscsi_data, seq, 8) \
	X(IscsiData, urg, struct cpl_iscsi_data, urg, 12) \
	X(IscsiData, reserved1, struct cpl_iscsi_data, rsvd1, 14) \
	X(IscsiData, status, struct cpl_iscsi_data, status, 15) \
	X(RxIscsiDdp, ot, struct cpl_rx_data_ddp, ot, 0) \
	X(RxIscsiDdp, urg, struct cpl_rx_data_ddp, urg, 4) \
	X(RxIscsiDdp, len, struct cpl_rx_data_ddp, len, 6) \
	X(RxIscsiDdp, seq, struct cpl_rx_data_ddp, seq, 8) \
	X(RxIscsiDdp, nxt_seq, struct cpl_rx_data_ddp, nxt_seq, 12) \
	X(RxIscsiDdp, ulp_crc, struct cpl_rx_data_ddp, ulp_crc, 16) \
	X(RxIscsiDdp, ddpvld, struct cpl_rx_data_ddp, ddpvld, 20) \
	X(RxIscsiCmp, ot, struct cpl_rx_iscsi_cmp, ot, 0) \
	X(RxIscsiCmp, pdu_len_ddp, struct cpl_rx_iscsi_cmp, pdu_len_ddp, 4) \
	X(RxIscsiCmp, len, struct cpl_rx_iscsi_cmp, len, 6) \
	X(RxIscsiCmp, seq, struct cpl_rx_iscsi_cmp, seq, 8) \
	X(RxIscsiCmp, urg, struct cpl_rx_iscsi_cmp, urg, 12) \
	X(RxIscsiCmp, reserved, struct cpl_rx_iscsi_cmp, rsvd, 14) \
	X(RxIscsiCmp, status, struct cpl_rx_iscsi_cmp, status, 15) \
	X(RxIscsiCmp, ulp_crc, struct cpl_rx_iscsi_cmp, ulp_crc, 16) \
	X(RxIscsiCmp, ddpvld, struct cpl_rx_iscsi_cmp, ddpvld, 20) \
	X(RxDataAck, wr, struct cpl_rx_data_ack, wr, 0) \
	X(RxDataAck, ot, struct cpl_rx_data_ack, ot, 16) \
	X(RxDataAck, credit_dack, struct cpl_rx_data_ack, credit_dack, 20) \
	X(AbortReq, wr, struct cpl_abort_req, wr, 0) \
	X(AbortReq, ot, struct cpl_abort_req, ot, 16) \
	X(AbortReq, reserved0, struct cpl_abort_req, rsvd0, 20) \
	X(AbortReq, reserved1, struct cpl_abort_req, rsvd1, 24) \
	X(AbortReq, cmd, struct cpl_abort_req, cmd, 25) \
	X(AbortReq, reserved2, struct cpl_abort_req, rsvd2, 26) \
	X(AbortReq, wr, struct cpl_abort_rpl, wr, 0) \
	X(AbortReq, ot, struct cpl_abort_rpl, ot, 16) \
	X(AbortReq, reserved0, struct cpl_abort_rpl, rsvd0, 20) \
	X(AbortReq, reserved1, struct cpl_abort_rpl, rsvd1, 24) \
	X(AbortReq, cmd, struct cpl_abort_rpl, cmd, 25) \
	X(AbortReq, reserved2, struct cpl_abort_rpl, rsvd2, 26) \
	X(PeerClose, ot, struct cpl_peer_close, ot, 0) \
	X(PeerClose, rcv_nxt, struct cpl_peer_close, rcv_nxt, 4) \
	X(CloseConRpl, ot, struct cpl_close_con_rpl, ot, 0) \
	X(CloseConRpl, reserved, struct cpl_close_con_rpl, rsvd, 4) \
	X(CloseConRpl, status, struct cpl_close_con_rpl, status, 7) \
	X(CloseConRpl, snd_nxt, struct cpl_close_con_rpl, snd_nxt, 8) \
	X(CloseConRpl, rcv_nxt, struct cpl_close_con_rpl, rcv_nxt, 12) \
	X(UlpMemWrite, wr, struct ulp_mem_write, io.wr, 0) \
	X(UlpMemWrite, cmd, struct ulp_mem_write, io.cmd, 16) \
	X(UlpMemWrite, len16, struct ulp_mem_write, io.len16, 20) \
	X(UlpMemWrite, dlen, struct ulp_mem_write, io.dlen, 24) \
	X(UlpMemWrite, lock_addr, struct ulp_mem_write, io.lock_addr, 28) \
	X(UlpMemWrite, idata_cmd, struct ulp_mem_write, idata.cmd_more, 32) \
	X(UlpMemWrite, idata_len, struct ulp_mem_write, idata.len, 36)

/* X(constant of cpl.hh, of the kernel, value) */
#define CPL_LAYOUT_CONSTANTS(X) \
	X(Opcode::kPassOpenReq, CPL_PASS_OPEN_REQ, 0x01) \
	X(Opcode::kPassAcceptRpl, CPL_PASS_ACCEPT_RPL, 0x02) \
	X(Opcode::kSetTcbField, CPL_SET_TCB_FIELD, 0x05) \
	X(Opcode::kCloseConReq, CPL_CLOSE_CON_REQ, 0x08) \
	X(Opcode::kCloseListsrvReq, CPL_CLOSE_LISTSRV_REQ, 0x09) \
	X(Opcode::kAbortReq, CPL_ABORT_REQ, 0x0a) \
	X(Opcode::kAbortRpl, CPL_ABORT_RPL, 0x0b) \
	X(Opcode::kRxDataAck, CPL_RX_DATA_ACK, 0x0d) \
	X(Opcode::kTidRelease, CPL_TID_RELEASE, 0x1a) \
	X(Opcode::kTxDataIso, CPL_TX_DATA_ISO, 0x1f) \
	X(Opcode::kPassOpenReq6, CPL_PASS_OPEN_REQ6, 0x81) \
	X(Opcode::kCloseListsrvRpl, CPL_CLOSE_LISTSRV_RPL, 0x20) \
	X(Opcode::kPassOpenRpl, CPL_PASS_OPEN_RPL, 0x24) \
	X(Opcode::kPeerClose, CPL_PEER_CLOSE, 0x26) \
	X(Opcode::kAbortReqRss, CPL_ABORT_REQ_RSS, 0x2b) \
	X(Opcode::kAbortRplRss, CPL_ABORT_RPL_RSS, 0x2d) \
	X(Opcode::kCloseConRpl, CPL_CLOSE_CON_RPL, 0x32) \
	X(Opcode::kIscsiHdr, CPL_ISCSI_HDR, 0x33) \
	X(Opcode::kRxData, CPL_RX_DATA, 0x39) \
	X(Opcode::kSetTcbRpl, CPL_SET_TCB_RPL, 0x3a) \
	X(Opcode::kPassEstablish, CPL_PASS_ESTABLISH, 0x41) \
	X(Opcode::kRxDataDdp, CPL_RX_DATA_DDP, 0x42) \
	X(Opcode::kPassAcceptReq, CPL_PASS_ACCEPT_REQ, 0x44) \
	X(Opcode::kRxIscsiCmp, CPL_RX_ISCSI_CMP, 0x45) \
	X(Opcode::kRxIscsiDdp, CPL_RX_ISCSI_DDP, 0x49) \
	X(Opcode::kIscsiData, CPL_ISCSI_DATA, 0xb2) \
	X(Opcode::kFw4Msg, CPL_FW4_MSG, 0xc0) \
	X(Opcode::kFw4Ack, CPL_FW4_ACK, 0xc3) \
	X(fw::kUlptx, FW_ULPTX_WR, 0x04) \
	X(fw::kTp, FW_TP_WR, 0x05) \
	X(fw::kFlowc, FW_FLOWC_WR, 0x0a) \
	X(fw::kOfldTxData, FW_OFLD_TX_DATA_WR, 0x0b) \
	X(fw::kIscsiTxData, FW_ISCSI_TX_DATA_WR, 0x45) \
	X(kWrOpcodeShift, FW_WR_OP_S, 24) \
	X(kWrCompletion, FW_WR_COMPL_F, 1u << 21) \
	X(kWrImmediateMask, FW_WR_IMMDLEN_M, 0xff) \
	X(kWrFlowIdShift, FW_WR_FLOWID_S, 8) \
	X(Flowc::kPfnVfn, FW_FLOWC_MNEM_PFNVFN, 0) \
	X(Flowc::kCh, FW_FLOWC_MNEM_CH, 1) \
	X(Flowc::kPort, FW_FLOWC_MNEM_PORT, 2) \
	X(Flowc::kIqId, FW_FLOWC_MNEM_IQID, 3) \
	X(Flowc::kSndNxt, FW_FLOWC_MNEM_SNDNXT, 4) \
	X(Flowc::kRcvNxt, FW_FLOWC_MNEM_RCVNXT, 5) \
	X(Flowc::kSndBuf, FW_FLOWC_MNEM_SNDBUF, 6) \
	X(Flowc::kMss, FW_FLOWC_MNEM_MSS, 7) \
	X(Flowc::kTxDataPlenMax, FW_FLOWC_MNEM_TXDATAPLEN_MAX, 8) \
	X(Flowc::kDcbPrio, FW_FLOWC_MNEM_DCBPRIO, 12) \
	X(Flowc::kRcvScale, FW_FLOWC_MNEM_RCV_SCALE, 14) \
	X(kTxUlpModeShift, FW_OFLD_TX_DATA_WR_ULPMODE_S, 10) \
	X(kTxUlpModeIscsi, ULP_MODE_ISCSI, 2) \
	X(kTxUlpSubmodeShift, FW_OFLD_TX_DATA_WR_ULPSUBMODE_S, 6) \
	X(kTxShove, FW_OFLD_TX_DATA_WR_SHOVE_F, 1u << 29) \
	X(kTxForceT5, TX_FORCE_V(1u), 1u << 13) \
	X(kTxForceT6, T6_TX_FORCE_F, 1u << 20) \
	X(kIsoFirst, CPL_TX_DATA_ISO_FIRST_F, 1u << 23) \
	X(kIsoLast, CPL_TX_DATA_ISO_LAST_F, 1u << 22) \
	X(kIsoHeaderCrc, CPL_TX_DATA_ISO_HDRCRC_F, 1u << 20) \
	X(kIsoPayloadCrc, CPL_TX_DATA_ISO_PLDCRC_F, 1u << 19) \
	X(kIsoScsiShift, CPL_TX_DATA_ISO_SCSI_S, 16) \
	X(kUlpMemWrite, ULPTX_CMD_V(ULP_TX_MEM_WRITE), 3u << 24) \
	X(kUlpMemImmediate, T5_ULP_MEMIO_IMM_F, 1u << 23) \
	X(kUlpMemOrder, T5_ULP_MEMIO_ORDER_F, 1u << 22) \
	X(kUlpScImmediate, ULPTX_CMD_V((u32)ULP_TX_SC_IMM), 0x81u << 24) \
	X(kListsrvIpv6, LISTSVR_IPV6_F, 1u << 14) \
	X(kNoReply, NO_REPLY_F, 1u << 15) \
	X(kOpt0TxChannelShift, TX_CHAN_S, 2) \
	X(kOpt0UlpModeShift, ULP_MODE_S, 8) \
	X(kOpt0RcvBufferShift, RCV_BUFSIZ_S, 12) \
	X(kOpt0DscpShift, DSCP_S, 22) \
	X(kOpt0SmacShift, SMAC_SEL_S, 28) \
	X(kOpt0L2tShift, L2T_IDX_S, 36) \
	X(kOpt0TcamBypass, TCAM_BYPASS_F, 1ull << 48) \
	X(kOpt0Nagle, NAGLE_F, 1ull << 49) \
	X(kOpt0WindowScaleShift, WND_SCALE_S, 50) \
	X(kOpt0KeepAlive, KEEP_ALIVE_F, 1ull << 54) \
	X(kOpt0MssIndexShift, MSS_IDX_S, 60) \
	X(kRcvBufferMax, RCV_BUFSIZ_M, 0x3ff) \
	X(kOpt2RssQueueValid, RSS_QUEUE_VALID_F, 1u << 10) \
	X(kOpt2CongestionShift, CONG_CNTRL_S, 14) \
	X(kOpt2CongestionNewReno, CONG_ALG_NEWRENO, 2) \
	X(kOpt2Iss, T5_ISS_F, 1u << 18) \
	X(kOpt2RxFlowControlOff, RX_FC_DISABLE_F, 1u << 20) \
	X(kOpt2Ecn, CCTRL_ECN_F, 1u << 27) \
	X(kOpt2WindowScale, WND_SCALE_EN_F, 1u << 28) \
	X(kOpt2Timestamps, TSTAMPS_EN_F, 1u << 29) \
	X(kOpt2Sack, SACK_EN_F, 1u << 30) \
	X(kOpt2Valid, T5_OPT_2_VALID_F, 1u << 31) \
	X(kTcpOptWindowScale, BIT(TCPOPT_WSCALE_OK_S), 1u << 5) \
	X(kTcpOptSack, BIT(TCPOPT_SACK_S), 1u << 6) \
	X(kTcpOptTimestamps, BIT(TCPOPT_TSTAMP_S), 1u << 7) \
	X(kTcpOptSndScaleShift, TCPOPT_SND_WSCALE_S, 8) \
	X(kTcpOptMssIndexShift, TCPOPT_MSS_S, 12) \
	X(kTcbCookieShift, TCB_COOKIE_S, 5) \
	X(kPduLengthMask, ISCSI_PDU_LEN_M, 0x7fff) \
	X(kPduDdp, ISCSI_DDP_F, 0x8000) \
	X(kDackChange, RX_DACK_CHANGE_F, 1u << 31) \
	X(kDackModeShift, RX_DACK_MODE_S, 29) \
	X(kAbortSendRst, CPL_ABORT_SEND_RST, 0) \
	X(kAbortNoRst, CPL_ABORT_NO_RST, 1) \
	X(Status::kNone, CPL_ERR_NONE, 0) \
	X(Status::kTcamParity, CPL_ERR_TCAM_PARITY, 1) \
	X(Status::kTcamMiss, CPL_ERR_TCAM_MISS, 2) \
	X(Status::kTcamFull, CPL_ERR_TCAM_FULL, 3) \
	X(Status::kBadLength, CPL_ERR_BAD_LENGTH, 15) \
	X(Status::kBadRoute, CPL_ERR_BAD_ROUTE, 18) \
	X(Status::kConnReset, CPL_ERR_CONN_RESET, 20) \
	X(Status::kConnExistSynrecv, CPL_ERR_CONN_EXIST_SYNRECV, 21) \
	X(Status::kConnExist, CPL_ERR_CONN_EXIST, 22) \
	X(Status::kArpMiss, CPL_ERR_ARP_MISS, 23) \
	X(Status::kBadSyn, CPL_ERR_BAD_SYN, 24) \
	X(Status::kConnTimedout, CPL_ERR_CONN_TIMEDOUT, 30) \
	X(Status::kXmitTimedout, CPL_ERR_XMIT_TIMEDOUT, 31) \
	X(Status::kPersistTimedout, CPL_ERR_PERSIST_TIMEDOUT, 32) \
	X(Status::kFinwait2Timedout, CPL_ERR_FINWAIT2_TIMEDOUT, 33) \
	X(Status::kKeepaliveTimedout, CPL_ERR_KEEPALIVE_TIMEDOUT, 34) \
	X(Status::kRtxNegAdvice, CPL_ERR_RTX_NEG_ADVICE, 35) \
	X(Status::kPersistNegAdvice, CPL_ERR_PERSIST_NEG_ADVICE, 36) \
	X(Status::kKeepaliveNegAdvice, CPL_ERR_KEEPALV_NEG_ADVICE, 37) \
	X(Status::kAbortFailed, CPL_ERR_ABORT_FAILED, 42)

#endif
